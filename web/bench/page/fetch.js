// Downloads that say what is missing.

async function got(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response;
}

export const bytesOf = async (url) => new Uint8Array(await (await got(url)).arrayBuffer());

export const textOf = async (url) => (await got(url)).text();
