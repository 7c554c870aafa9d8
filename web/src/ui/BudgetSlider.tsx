// The memory-budget slider: a tick for every level; the arrow keys go from level to level. Where the tasks share the
// budget it goes from combination to combination, for some of these lie too close to each other to be met by hand.

import type { App } from "../app.ts";
import { BYTES_PER_PARAMETER, canShare, neighbour, type Stop, stopFor } from "../logic/budget.ts";
import { bytes, exact, many } from "../logic/words.ts";
import { useLasting } from "./hooks.ts";
import { Purchase } from "./Purchase.tsx";
import { Trouble } from "./Trouble.tsx";

/** So many ticks have room for their names. */
const NAMED = 10;

export function BudgetSlider({ app }: { app: App }) {
  const { state } = app;
  const { stops, budget } = state;
  const least = stops[0];
  const most = stops.at(-1);
  if (!state.info || !least || !most) return <Waiting />;
  const sharing = app.sharing();
  const here = stopFor(stops, budget);
  const at = stops.indexOf(here);
  const last = stops.length - 1;
  const place = (stop: Stop, index: number) =>
    sharing
      ? index / (last || 1)
      : (stop.parameters - least.parameters) / (most.parameters - least.parameters || 1);
  const move = (value: number, settled: boolean) =>
    app.setBudget(sharing ? (stops[value]?.parameters ?? budget) : value, settled);

  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowDown: -1,
      PageDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: 1,
      Home: -stops.length,
      End: stops.length,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    app.setBudget(neighbour(stops, budget, step).parameters, true);
  };

  const size = bytes(budget * BYTES_PER_PARAMETER);
  const numbers = `${many(budget)} numbers`;
  const name = sharing
    ? `levels ${levelNames(here, true)}`
    : `level ${levelNames(here, false)} of ${stops.length}`;
  return (
    <section class="card budget" aria-labelledby="budget-title">
      <div class="budget-head">
        <h2 id="budget-title">Memory budget</h2>
        <Share app={app} />
        <p class="figure" title={`${exact(budget * BYTES_PER_PARAMETER)} bytes`}>
          <strong>{size}</strong>{" "}
          <span class="small" title="parameters, 4 bytes each">
            {numbers}
          </span>
        </p>
      </div>
      <div class={sharing ? "slider even" : "slider"}>
        <input
          type="range"
          min={sharing ? 0 : least.parameters}
          max={sharing ? last : most.parameters}
          step={sharing ? 1 : "any"}
          value={sharing ? at : budget}
          aria-labelledby="budget-title"
          aria-valuetext={`${name}, ${size}, ${numbers}`}
          data-testid="budget"
          onKeyDown={onKeyDown}
          onInput={(event) => move(event.currentTarget.valueAsNumber, false)}
          onChange={(event) => move(event.currentTarget.valueAsNumber, true)}
        />
        <div class="ticks">
          {stops.map((stop, index) => (
            <button
              key={stop.parameters}
              type="button"
              class={stop === here ? "tick here" : "tick"}
              style={{ "--place": place(stop, index) }}
              onClick={() => app.setBudget(stop.parameters, true)}
            >
              <Tick stop={stop} sharing={sharing} named={index % Math.ceil(stops.length / NAMED) === 0} />
            </button>
          ))}
        </div>
      </div>
      <div class="buys">
        <Purchase app={app} />
        <Arriving app={app} />
      </div>
      {state.trouble && <Trouble trouble={state.trouble} onRetry={() => void app.retry()} />}
    </section>
  );
}

/** A stop's name and size; for the eye only where there is room. */
function Tick({ stop, sharing, named }: { stop: Stop; sharing: boolean; named: boolean }) {
  const size = bytes(stop.parameters * BYTES_PER_PARAMETER);
  if (!named) return <span class="sr-only">{`Levels ${levelNames(stop, sharing)} ${size}`}</span>;
  return (
    <>
      <span>
        {sharing ? <span class="sr-only">Levels </span> : <span class="wide-word">Level </span>}
        {levelNames(stop, sharing)}
      </span>
      <span class="small">{size}</span>
    </>
  );
}

/** "2", or "2+1" for tasks that share. */
function levelNames({ levels }: Stop, sharing: boolean): string {
  return sharing ? levels.join("+") : String(levels[0]);
}

/** The switch between a budget for each task and one that all of them share. */
function Share({ app }: { app: App }) {
  const { info, task } = app.state;
  if (!info || task !== undefined || !canShare(info)) return null;
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={app.sharing()}
        onChange={(event) => app.setShare(event.currentTarget.checked)}
        data-testid="share"
      />
      {info.tasks.length === 2 ? "shared by both questions" : "shared by all questions"}
    </label>
  );
}

/** How far what is being loaded has come; its place is kept so that nothing jumps. */
function Arriving({ app }: { app: App }) {
  const { arriving, working } = app.state;
  const long = useLasting(working, 500);
  const all = [...arriving.values()];
  const total = all.reduce((sum, file) => sum + file.total, 0);
  const received = all.reduce((sum, file) => sum + file.received, 0);
  return (
    <div class="arriving">
      {long && total > 0 && received < total && (
        <>
          <progress max={total} value={received} aria-label="Loading" />
          <span class="small">
            Loading {bytes(received)} of {bytes(total)}
          </span>
        </>
      )}
      {long && !(total > 0 && received < total) && <span class="small">Thinking …</span>}
    </div>
  );
}

function Waiting() {
  return (
    <section class="card budget waiting" aria-busy="true">
      <h2>Memory budget</h2>
      <p class="small">Loading the model's description …</p>
    </section>
  );
}
