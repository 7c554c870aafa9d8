// Long work over many pictures and levels, one at a time, which the visitor can stop.

import type { Job, State } from "./state.ts";
import { Fault } from "./worker/protocol.ts";

export class Jobs {
  private running: AbortController | undefined;

  constructor(
    private readonly state: State,
    private readonly changed: () => void,
  ) {}

  /** Does some work of `total` steps in place of the work before. */
  async run(
    what: Job["what"],
    total: number,
    work: (signal: AbortSignal, step: (count: number) => void) => Promise<void>,
  ): Promise<void> {
    const { state } = this;
    this.stop();
    const running = new AbortController();
    this.running = running;
    const job: Job = { what, done: 0, total };
    state.job = job;
    state.jobTrouble = undefined;
    this.changed();
    try {
      await work(running.signal, (count) => {
        if (running.signal.aborted) throw new Fault("cancelled", "Stopped.");
        job.done += count;
        this.changed();
      });
    } catch (error) {
      if (!running.signal.aborted) state.jobTrouble = Fault.of(error).message;
    } finally {
      if (state.job === job) state.job = undefined;
      this.changed();
    }
  }

  stop(): void {
    this.running?.abort();
  }
}
