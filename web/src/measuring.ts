// Times levels, and only while the tab is seen: the browser slows a hidden one down.

import type { Client } from "./client.ts";
import { type Timing, timing } from "./logic/statistics.ts";
import { Fault, type Spot } from "./worker/protocol.ts";

/** A pause of this many milliseconds before a level is measured: the visitor may still be moving the slider. */
const PAUSE = 400;

/** Does some work once nothing has happened for a moment; whatever is to be done then stops it. */
export class Quiet {
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private running = new AbortController();

  constructor(private readonly work: (signal: AbortSignal) => Promise<void>) {}

  soon(): void {
    this.stop();
    this.running = new AbortController();
    const { signal } = this.running;
    this.waiting = setTimeout(() => void this.work(signal), PAUSE);
  }

  stop(): void {
    clearTimeout(this.waiting);
    this.running.abort();
  }
}

export class Stopwatch {
  /** Aborted when the tab is hidden. */
  private hiding = new AbortController();

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.hiding.abort();
      else this.hiding = new AbortController();
    });
  }

  /** Times one picture through a level. What was begun before the tab was hidden is begun anew once it is seen again. */
  async time(client: Client, spot: Spot, rgb: Uint8Array, signal: AbortSignal): Promise<Timing> {
    for (;;) {
      await seen(signal);
      const hiding = this.hiding.signal;
      try {
        const runs = await client.ask("time", { ...spot, rgb }, AbortSignal.any([signal, hiding]));
        if (!hiding.aborted) return timing(runs);
      } catch (error) {
        if (!hiding.aborted || signal.aborted) throw error;
      }
    }
  }
}

/** Waits until the tab is seen. */
function seen(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      done.abort();
      if (signal.aborted) reject(new Fault("cancelled", "No longer needed."));
      else resolve();
    };
    document.addEventListener("visibilitychange", look, { signal: done.signal });
    signal.addEventListener("abort", look, { signal: done.signal });
    look();
  });
}
