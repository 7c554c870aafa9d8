// What the chosen levels cost, beside what the whole network costs.

import type { ComponentChildren } from "preact";
import type { App } from "../app.ts";
import { stopFor } from "../logic/budget.ts";
import { accuracy, bytes, percent, time, worth } from "../logic/words.ts";
import { spotKey } from "../state.ts";
import { Swatch, taskClass } from "./marks.tsx";

export function Costs({ app }: { app: App }) {
  const { info, times, budget } = app.state;
  if (!info) return <section class="costs waiting" aria-busy="true" />;
  const rows = app.spots().map(({ task, level }) => {
    const about = info.tasks[task];
    const whole = about?.levels.length ?? level;
    return {
      task,
      here: about?.levels[level - 1],
      whole: about?.levels[whole - 1],
      time: times.get(spotKey(task, level))?.median,
      wholeTime: times.get(spotKey(task, whole))?.median,
    };
  });
  const share = (part?: number, all?: number) => (part && all ? part / all : undefined);
  const together = app.sharing() ? stopFor(info.together, budget) : undefined;
  const most = info.together.at(-1);
  const both = rows.length === 2 ? "both together" : "all together";
  const alone = rows.reduce((sum, { here }) => sum + (here?.bytes ?? 0), 0);
  const total = sum(rows.map((row) => row.time));
  return (
    <section class="costs" aria-label="What this level costs">
      <Tile title="Memory" note={together ? both : rows.length > 1 ? "per question" : ""}>
        {together ? (
          <>
            <Row value={bytes(together.bytes)} share={share(together.bytes, most?.bytes)} />
            <p class="small">
              {alone > together.bytes
                ? `Apart: ${bytes(alone)}. Shared blocks are kept once.`
                : "No block is shared at these levels."}
            </p>
          </>
        ) : (
          rows.map(({ task, here, whole }) => (
            <Row
              key={task}
              task={task}
              value={here ? bytes(here.bytes) : "…"}
              share={share(here?.bytes, whole?.bytes)}
            />
          ))
        )}
      </Tile>
      <Tile title="Time" note="per picture, here">
        {rows.map((row) => (
          <Row
            key={row.task}
            task={row.task}
            value={row.time === undefined ? "…" : time(row.time)}
            share={share(row.time, row.wholeTime)}
            of={row.wholeTime === undefined && row.time !== undefined ? "whole: not timed" : undefined}
          />
        ))}
        {together && total !== undefined && <p class="small">{`${time(total)} for ${both}`}</p>}
      </Tile>
      <Tile title="Right answers" note="in the test">
        {rows.map(({ task, here, whole }) => (
          <Row
            key={task}
            task={task}
            value={worth(here)}
            share={
              here?.accuracy && whole?.accuracy && !here.untrained ? here.accuracy.percent / 100 : undefined
            }
            of={whole?.accuracy && here !== whole ? `whole: ${worth(whole)}` : undefined}
          />
        ))}
        {together?.accuracy !== undefined && (
          <p class="small">{`${accuracy(together.accuracy)} on average`}</p>
        )}
      </Tile>
    </section>
  );
}

/** The sum, once every part is known. */
function sum(parts: (number | undefined)[]): number | undefined {
  return parts.reduce((all, part) => (all === undefined || part === undefined ? undefined : all + part), 0);
}

function Tile({ title, note, children }: { title: string; note: string; children: ComponentChildren }) {
  return (
    <div class="tile">
      <h3>
        {title} <span class="small">{note}</span>
      </h3>
      {children}
    </div>
  );
}

function Row({ task, value, share, of }: RowProps) {
  const words = of ?? (share === undefined || share === 1 ? undefined : `${percent(share)} of whole`);
  return (
    <div class="cost-row">
      {task !== undefined && <Swatch task={task} />}
      <strong>{value}</strong>
      <span class="small">{words}</span>
      <span class="meter" aria-hidden="true">
        <span
          class={task === undefined ? undefined : taskClass(task)}
          style={{ width: `${Math.min(1, share ?? 0) * 100}%` }}
        />
      </span>
    </div>
  );
}

interface RowProps {
  /** Whose row it is; all tasks' without it. */
  task?: number;
  value: string;
  share: number | undefined;
  of?: string | undefined;
}
