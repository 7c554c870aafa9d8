// The memory-budget slider: a tick for every level; the arrow keys go from level to level.

import type { App } from "../app.ts";
import { BYTES_PER_PARAMETER, levelFor, neighbour, type Stop, stopFor } from "../logic/budget.ts";
import { bytes, counted, exact, many } from "../logic/words.ts";
import { useLasting } from "./hooks.ts";
import { Trouble } from "./Trouble.tsx";

export function BudgetSlider({ app }: { app: App }) {
  const { state } = app;
  const least = state.stops[0];
  const most = state.stops.at(-1);
  if (!state.info || !least || !most) return <Waiting />;
  const here = stopFor(state.stops, state.budget);
  const place = (stop: Stop) =>
    (stop.parameters - least.parameters) / (most.parameters - least.parameters || 1);

  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowDown: -1,
      PageDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageUp: 1,
      Home: -state.stops.length,
      End: state.stops.length,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    app.setBudget(neighbour(state.stops, state.budget, step).parameters, true);
  };

  const size = bytes(state.budget * BYTES_PER_PARAMETER);
  const numbers = `${many(state.budget)} numbers`;
  return (
    <section class="card budget" aria-labelledby="budget-title">
      <div class="budget-head">
        <h2 id="budget-title">Memory budget</h2>
        <p class="figure" title={`${exact(state.budget * BYTES_PER_PARAMETER)} bytes`}>
          <strong>{size}</strong> <span class="small">{numbers} (parameters)</span>
        </p>
      </div>
      <div class="slider">
        <input
          type="range"
          min={least.parameters}
          max={most.parameters}
          step="any"
          value={state.budget}
          aria-labelledby="budget-title"
          aria-valuetext={`level ${here.level} of ${state.stops.length}, ${size}, ${numbers}`}
          data-testid="budget"
          onKeyDown={onKeyDown}
          onInput={(event) => app.setBudget(event.currentTarget.valueAsNumber, false)}
          onChange={(event) => app.setBudget(event.currentTarget.valueAsNumber, true)}
        />
        <div class="ticks">
          {state.stops.map((stop) => (
            <button
              key={stop.level}
              type="button"
              class={stop === here ? "tick here" : "tick"}
              style={{ "--place": place(stop) }}
              onClick={() => app.setBudget(stop.parameters, true)}
            >
              <span>
                <span class="wide-word">Level </span>
                {stop.level}
              </span>
              <span class="small">{bytes(stop.parameters * BYTES_PER_PARAMETER)}</span>
            </button>
          ))}
        </div>
      </div>
      <div class="buys">
        <p>{sentence(app, here)}</p>
        <Arriving app={app} />
      </div>
      {state.trouble && <Trouble trouble={state.trouble} onRetry={() => void app.retry()} />}
    </section>
  );
}

/** What the budget buys each task. */
function sentence(app: App, here: Stop) {
  const { info, budget, stops } = app.state;
  const tasks = info?.tasks ?? [];
  const levels = tasks.map((task) => levelFor(task, budget));
  const share = (level: number) => {
    const whole = level === stops.length;
    return whole ? "the whole network" : `${counted(level, "unit")} of ${stops.length}`;
  };
  if (new Set(levels).size === 1) {
    const level = levels[0] ?? here.level;
    return (
      <>
        This buys <strong>level {level}</strong>: {share(level)} for each question.
      </>
    );
  }
  return (
    <>
      This buys{" "}
      {tasks.map((task, index) => (
        <span key={task.name}>
          {index > 0 && ", "}
          <strong>level {levels[index]}</strong> for {task.title}
        </span>
      ))}
      .
    </>
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
