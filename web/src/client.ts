// The page's end of the protocol.

import { Fault, type FromWorker, type RequestKind, type Requests, type ToWorker } from "./worker/protocol.ts";

type Event = Exclude<FromWorker, { id: number }>;

interface Waiting {
  resolve: (result: never) => void;
  reject: (fault: Fault) => void;
}

/** Asks the worker, one promise for each request. */
export class Client {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;

  constructor(onEvent: (event: Event) => void) {
    this.worker = new Worker(new URL("./worker/worker.ts", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind !== "result" && data.kind !== "error") {
        onEvent(data);
        return;
      }
      const waiting = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.kind === "result") waiting?.resolve(data.result as never);
      else waiting?.reject(new Fault(data.fault, data.message));
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      const fault = new Fault(
        "internal",
        `The engine's worker stopped: ${event.message || "it did not load"}.`,
      );
      for (const { reject } of this.waiting.values()) reject(fault);
      this.waiting.clear();
    });
  }

  /** Ends the worker; what it was asked for fails as cancelled. */
  close(): void {
    this.worker.terminate();
    const fault = new Fault("cancelled", "No longer needed.");
    for (const { reject } of this.waiting.values()) reject(fault);
    this.waiting.clear();
  }

  /** Sends a request; aborting the signal makes it fail as cancelled. */
  ask<K extends RequestKind>(
    kind: K,
    request: Requests[K]["request"],
    signal?: AbortSignal,
  ): Promise<Requests[K]["result"]> {
    const id = this.next++;
    return new Promise<Requests[K]["result"]>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...request } as unknown as ToWorker);
      signal?.addEventListener("abort", () => this.worker.postMessage({ id, kind: "cancel" }), {
        once: true,
      });
    });
  }
}
