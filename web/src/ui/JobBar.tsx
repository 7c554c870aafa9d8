// How far long work has come, with a way to stop it.

import type { App } from "../app.ts";
import type { Job } from "../state.ts";

export function JobBar({ app, what }: { app: App; what: Job["what"] }) {
  const { job, jobTrouble } = app.state;
  if (job?.what === what) {
    return (
      <span class="job">
        <progress max={job.total} value={job.done} aria-label="Progress" />
        <span class="small">
          {job.done} of {job.total}
        </span>
        <button type="button" class="link" onClick={() => app.stopJob()}>
          Stop
        </button>
      </span>
    );
  }
  return jobTrouble && !job ? (
    <span class="job wrong" role="alert">
      {jobTrouble}
    </span>
  ) : null;
}
