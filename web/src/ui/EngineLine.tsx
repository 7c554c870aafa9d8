// Which engine runs and why, with the choice of another.

import type { App } from "../app.ts";
import type { EngineWish } from "../worker/protocol.ts";

const WISHES: [EngineWish, string][] = [
  ["auto", "Best here"],
  ["webgpu", "WebGPU"],
  ["cpu", "CPU"],
];

export function EngineLine({ app }: { app: App }) {
  const { engine, wish, models, model, broken } = app.state;
  return (
    <div class="engine">
      {models.length > 1 && (
        <label class="chooser">
          <span>Model</span>
          <select value={model} onChange={(event) => void app.setModel(event.currentTarget.value)}>
            {models.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <label class="chooser">
        <span>Runs on</span>
        <select
          value={wish}
          onChange={(event) => void app.setEngine(event.currentTarget.value as EngineWish)}
          data-testid="engine"
        >
          {WISHES.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <p class="small" role="status" data-testid="engine-line">
        {engine ? (
          <>
            <strong>{engine.kind === "webgpu" ? "Graphics processor" : "Processor (CPU)"}</strong>
            {engine.software && ", imitated in software"}
            {engine.adapter && <>: {engine.adapter}</>}
            {engine.why && <span class="why">, since {engine.why}.</span>}
          </>
        ) : (
          !broken && "Starting the engine …"
        )}
      </p>
    </div>
  );
}
