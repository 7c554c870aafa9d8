// Isolation from other origins, which threads need, where the server does not see to it.

/** Has a service worker isolate the next visit, if this one is not. This one goes on as it is: nobody's page reloads. */
export function isolateNextVisit(): void {
  if (crossOriginIsolated || !navigator.serviceWorker) return;
  // Some private windows have no service workers; the engine does without threads then.
  navigator.serviceWorker
    .register("./isolate.js")
    .catch((error) => console.warn("The next visit will do without threads too.", error));
}
