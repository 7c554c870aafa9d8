// Accuracy against memory and against time, for every level of every task.

import type { App } from "../app.ts";
import { type Score, score } from "../logic/labels.ts";
import { bytes, counted, exact, time, worth } from "../logic/words.ts";
import { answerKey, spotKey } from "../state.ts";
import type { LevelInfo } from "../worker/surface.ts";
import { Chart, type Point } from "./Chart.tsx";
import { JobBar } from "./JobBar.tsx";
import { Swatch } from "./marks.tsx";
import { Scroll } from "./Scroll.tsx";

interface Row {
  task: number;
  title: string;
  level: LevelInfo;
  chosen: boolean;
  own: Score;
}

export function AccuracySection({ app }: { app: App }) {
  const { info, times, job, engine } = app.state;
  if (!info || !app.state.below)
    return <section class="card waiting tall" aria-busy="true" id="view-accuracy" />;
  const rows = everyRow(app);
  const labelled = Math.max(0, ...info.tasks.map((_, task) => ownCount(app, task)));
  const point = ({ task, level, chosen, own }: Row, x: number): Point => ({
    task,
    level: level.level,
    x,
    chosen,
    y: level.untrained ? undefined : level.accuracy?.percent,
    own:
      own.total > 0
        ? { percent: (100 * own.right) / own.total, low: own.low * 100, high: own.high * 100 }
        : undefined,
  });
  const memory = rows.map((row) => point(row, row.level.bytes / 1e6));
  const timed = rows.flatMap((row) => {
    const found = times.get(spotKey(row.task, row.level.level));
    return found
      ? [{ ...point(row, found.median), spread: [found.low, found.high] as [number, number] }]
      : [];
  });
  return (
    <section class="card" id="view-accuracy" aria-labelledby="accuracy-title">
      <h2 id="accuracy-title">What more memory, and more time, buy</h2>
      <Legend app={app} labelled={labelled} />
      <div class="chart-pair">
        <h3>Accuracy against memory</h3>
        <Chart
          title="Test accuracy against memory"
          points={memory}
          xName="Memory for one question, MB"
          xText={(value) => String(value)}
          empty="This model does not say how accurate it is."
        />
        <MemoryTable rows={rows} own={labelled > 0} />
      </div>
      <div class="chart-pair">
        <h3>Accuracy against time</h3>
        <div>
          <Chart
            title="Test accuracy against the time for one picture on this device"
            points={timed}
            xName="Time for one picture on this device, ms"
            xText={(value) => String(value)}
            empty="Times appear here as they are measured."
          />
          <p class="actions">
            <button type="button" disabled={job !== undefined} onClick={() => void app.timeAll()}>
              Measure every level
            </button>
            <JobBar app={app} what="times" />
          </p>
          {engine?.kind === "webgpu" && (
            <p class="small">
              On a graphics processor one picture does not get faster as the arithmetic gets less: every layer
              costs a start of its own, however small it is, and a small level has as many layers as a large
              one.
            </p>
          )}
        </div>
        <TimeTable app={app} rows={rows} />
      </div>
    </section>
  );
}

function everyRow(app: App): Row[] {
  const { info, pictures, answers } = app.state;
  const levels = app.levels();
  const own = pictures.filter((picture) => picture.source === "own");
  return (info?.tasks ?? []).flatMap((about, task) =>
    about.levels.map((level) => ({
      task,
      title: about.title,
      level,
      chosen: levels[task] === level.level,
      own: score(
        own.map((picture) => ({
          probabilities: answers.get(answerKey(picture.id, task, level.level)),
          truth: picture.truth[task],
        })),
      ),
    })),
  );
}

function ownCount(app: App, task: number): number {
  return app.state.pictures.filter((picture) => picture.source === "own" && picture.truth[task] !== undefined)
    .length;
}

function Legend({ app, labelled }: { app: App; labelled: number }) {
  const { info, job } = app.state;
  return (
    <>
      <p class="legend">
        {info?.tasks.map((task, index) => (
          <span key={task.name}>
            <Swatch task={index} /> {task.title}
          </span>
        ))}
        <span>Filled: published test. Ringed: the level you chose.</span>
        {labelled > 0 && (
          <span>
            Hollow: your {counted(labelled, "labelled picture")}, with the range that so few leave open.
          </span>
        )}
      </p>
      {labelled > 0 ? (
        <p class="actions">
          <button type="button" disabled={job !== undefined} onClick={() => void app.answerAll("own")}>
            Try my pictures at every level
          </button>
          <JobBar app={app} what="own answers" />
        </p>
      ) : (
        <p class="small">
          Say what your own pictures really show (below the picture, or by folders named after classes), and
          their accuracy is drawn here too.
        </p>
      )}
    </>
  );
}

function MemoryTable({ rows, own }: { rows: Row[]; own: boolean }) {
  return (
    <Scroll name="Accuracy against memory, as a table">
      <table>
        <caption class="sr-only">Accuracy against memory</caption>
        <thead>
          <tr>
            <th scope="col">Level</th>
            <th scope="col">Memory</th>
            <th scope="col">Test</th>
            {own && <th scope="col">Yours</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ task, title, level, chosen, own: mine }) => (
            <tr key={spotKey(task, level.level)} class={chosen ? "chosen" : ""}>
              <th scope="row">
                <Swatch task={task} /> <span class="sr-only">{title}</span> {level.level}
              </th>
              <td title={`${exact(level.parameters)} parameters`}>{bytes(level.bytes)}</td>
              <td title={level.accuracy ? `${exact(level.accuracy.images)} test pictures` : undefined}>
                {level.accuracy ? worth(level) : "–"}
              </td>
              {own && (
                <td title={mine.total > 0 ? `95 % interval: ${range(mine)}` : undefined}>
                  {mine.total > 0 ? `${mine.right} of ${mine.total} (${range(mine)})` : "–"}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function range({ low, high }: Score): string {
  return `${Math.round(low * 100)}–${Math.round(high * 100)} %`;
}

function TimeTable({ app, rows }: { app: App; rows: Row[] }) {
  const { times } = app.state;
  return (
    <Scroll name="Accuracy against time, as a table">
      <table>
        <caption class="sr-only">Accuracy against time</caption>
        <thead>
          <tr>
            <th scope="col">Level</th>
            <th scope="col">Time</th>
            <th scope="col">Middle half</th>
            <th scope="col">Runs</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ task, title, level, chosen }) => {
            const found = times.get(spotKey(task, level.level));
            return (
              <tr key={spotKey(task, level.level)} class={chosen ? "chosen" : ""}>
                <th scope="row">
                  <Swatch task={task} /> <span class="sr-only">{title}</span> {level.level}
                </th>
                <td>{found ? time(found.median) : "–"}</td>
                <td>{found ? `${time(found.low)} – ${time(found.high)}` : "–"}</td>
                <td>{found?.runs ?? "–"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
