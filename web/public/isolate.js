// A service worker for servers that send no isolation headers: it puts them on the page and on its workers, so that the
// engine may share memory between threads. All else goes to the server as if it were not there.

const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("fetch", (event) => {
  const { mode, destination } = event.request;
  if (mode === "navigate" || destination === "worker") event.respondWith(isolated(event.request));
});

async function isolated(request) {
  const answer = await fetch(request);
  // A redirection is the browser's to follow.
  if (answer.type === "opaqueredirect") return answer;
  const headers = new Headers(answer.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}
