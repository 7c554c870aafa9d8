// Which pictures need the big network: sorted by the smallest level that gets them right.

import type { App } from "../app.ts";
import { top } from "../logic/statistics.ts";
import { className, counted } from "../logic/words.ts";
import { answerKey, type Picture } from "../state.ts";
import { JobBar } from "./JobBar.tsx";
import { Swatch } from "./marks.tsx";

interface Entry {
  picture: Picture;
  task: number;
}

export function PicturesSection({ app }: { app: App }) {
  const { info, job, pictures } = app.state;
  if (!info || !app.state.below) return <section class="card waiting" aria-busy="true" id="view-pictures" />;
  const entries: Entry[] = pictures.flatMap((picture) =>
    info.tasks.flatMap((_, task) => (picture.truth[task] === undefined ? [] : [{ picture, task }])),
  );
  const deepest = Math.max(...info.tasks.map((task) => task.levels.length));
  const groups: Entry[][] = Array.from({ length: deepest + 1 }, () => []);
  const open: Entry[] = [];
  for (const entry of entries) {
    const smallest = smallestRight(app, entry);
    if (smallest === undefined) open.push(entry);
    else groups[smallest - 1]?.push(entry);
  }
  return (
    <section class="card" id="view-pictures" aria-labelledby="pictures-title">
      <h2 id="pictures-title">Which pictures need the big network?</h2>
      <p class="intro">
        Each picture stands at the smallest level that names it right. {summary(groups, open, entries)}
      </p>
      <p class="actions">
        <button
          type="button"
          disabled={job !== undefined || entries.length === 0}
          onClick={() => void app.answerAll("all")}
          data-testid="answer-all"
        >
          Ask every level about every picture
        </button>
        <JobBar app={app} what="answers" />
      </p>
      <div class="shelves">
        {groups.map((group, index) => (
          <Shelf
            key={index < deepest ? index : "never"}
            app={app}
            name={shelfName(index, deepest)}
            entries={group}
          />
        ))}
        {open.length > 0 && <Shelf app={app} name="Not asked at every level yet" entries={open} />}
      </div>
    </section>
  );
}

function shelfName(index: number, deepest: number): string {
  if (index === deepest) return "No level is right";
  return index === 0 ? "Level 1 is enough" : `Needs level ${index + 1}`;
}

/** The smallest level that is right, one more than the deepest when none is; unknown until enough were asked. */
function smallestRight(app: App, { picture, task }: Entry): number | undefined {
  const levels = app.state.info?.tasks[task]?.levels ?? [];
  for (const { level } of levels) {
    const found = app.state.answers.get(answerKey(picture.id, task, level));
    if (!found) return undefined;
    if (top(found, 1)[0] === picture.truth[task]) return level;
  }
  return levels.length + 1;
}

function summary(groups: Entry[][], open: Entry[], entries: Entry[]): string {
  if (entries.length === 0) return "There is no picture here whose truth is known.";
  if (open.length === entries.length) return "How many of them does the smallest one manage? Guess first.";
  const asked = entries.length - open.length;
  return `Of ${counted(asked, "picture")}, ${groups[0]?.length ?? 0} need only level 1.`;
}

function Shelf({ app, name, entries }: { app: App; name: string; entries: Entry[] }) {
  return (
    <div class="shelf">
      <h3>
        {name} <span class="count">{entries.length}</span>
      </h3>
      <ul>
        {entries.map(({ picture, task }) => {
          const truth = className(app.state.info?.tasks[task]?.classes[picture.truth[task] ?? 0] ?? "");
          return (
            <li key={`${picture.id}/${task}`}>
              <button type="button" title={truth} onClick={() => app.choose(picture.id)}>
                <img src={picture.address} alt={truth} loading="lazy" />
                <Swatch task={task} />
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
