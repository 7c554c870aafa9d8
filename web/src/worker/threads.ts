// The workers behind the engine's threads. They run the same script as the engine's own worker, which the browser has
// already, and know by their name what they are.

/** What a thread works with: the engine's code, compiled, and the memory that all threads share. */
export interface Shared {
  code: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

/** The name of a worker that is a thread. */
export const THREAD = "engine thread";

/** Bytes. The convolutions keep their scratch elsewhere. */
const STACK = 256 * 1024;

/** Milliseconds after which workers that are not ready will never be. */
const PATIENCE = 10_000;

/** Starts workers, and waits until each of them is ready to be one of the engine's threads. */
export async function startWorkers(count: number, shared: Shared): Promise<void> {
  const workers: Worker[] = [];
  try {
    const ready = Array.from({ length: count }, () => {
      const worker = new Worker(self.location.href, { type: "module", name: THREAD });
      workers.push(worker);
      return new Promise<void>((done, failed) => {
        worker.onmessage = ({ data }: MessageEvent<string>) =>
          data === "" ? done() : failed(new Error(data));
        worker.onerror = (event) => failed(new Error(event.message || "a worker could not be loaded"));
        setTimeout(() => failed(new Error("a worker does not start")), PATIENCE);
        worker.postMessage(shared);
      });
    });
    await Promise.all(ready);
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
}

/** What a worker does that is a thread: it answers with an empty text once it is ready, or with what went wrong; then it
 * works for as long as the page lives, and hears no more messages. */
export async function beThread({ code, memory }: Shared): Promise<void> {
  let work: () => void;
  try {
    const module = await import("../engine/threads/wasm_infer.js");
    await module.default({ module_or_path: code, memory, thread_stack_size: STACK });
    work = module.work;
  } catch (error) {
    postMessage(String(error));
    return;
  }
  postMessage("");
  work();
}
