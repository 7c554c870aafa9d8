// Says what went wrong, where it went wrong, and what can be done.

import type { Trouble as What } from "../state.ts";

const ADVICE: Partial<Record<What["fault"], string>> = {
  offline: "Check the connection, then try again. What was loaded before still works.",
  shard: "The file on the server is damaged or missing. The levels that do not need it still work.",
  model: "Another model may work; a model folder is checked with: dvn-train inspect FOLDER",
  engine: "Another browser, or the CPU engine, may work.",
  internal: "Loading the page again usually helps.",
};

export function Trouble({ trouble, onRetry }: { trouble: What; onRetry: () => void }) {
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{trouble.message}</strong>
      </p>
      {ADVICE[trouble.fault] && <p>{ADVICE[trouble.fault]}</p>}
      <button type="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
