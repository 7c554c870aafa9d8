// The GPU's name as far as the browser tells it.

export async function adapterName() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter here");
  const { description, vendor, architecture } = adapter.info;
  return description || `${vendor} ${architecture}`.trim() || "a GPU without a name";
}
