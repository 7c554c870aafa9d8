// What the chosen level costs, beside what the whole network costs.

import type { ComponentChildren } from "preact";
import type { App } from "../app.ts";
import { accuracy, bytes, percent, time } from "../logic/words.ts";
import { spotKey } from "../state.ts";
import { Swatch } from "./marks.tsx";

export function Costs({ app }: { app: App }) {
  const { info, times } = app.state;
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
  return (
    <section class="costs" aria-label="What this level costs">
      <Tile title="Memory" note="per question">
        {rows.map(({ task, here, whole }) => (
          <Row
            key={task}
            task={task}
            value={here ? bytes(here.bytes) : "…"}
            share={share(here?.bytes, whole?.bytes)}
          />
        ))}
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
      </Tile>
      <Tile title="Right answers" note="in the test">
        {rows.map(({ task, here, whole }) => (
          <Row
            key={task}
            task={task}
            value={here?.accuracy ? accuracy(here.accuracy.percent) : "not measured"}
            share={here?.accuracy && whole?.accuracy ? here.accuracy.percent / 100 : undefined}
            of={whole?.accuracy && here !== whole ? `whole: ${accuracy(whole.accuracy.percent)}` : undefined}
          />
        ))}
      </Tile>
    </section>
  );
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
      <Swatch task={task} />
      <strong>{value}</strong>
      <span class="small">{words}</span>
      <span class="meter" aria-hidden="true">
        <span class={`task-${task % 3}`} style={{ width: `${Math.min(1, share ?? 0) * 100}%` }} />
      </span>
    </div>
  );
}

interface RowProps {
  task: number;
  value: string;
  share: number | undefined;
  of?: string | undefined;
}
