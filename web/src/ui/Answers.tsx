// What the network says the picture shows, one card for each task.

import { useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { stopAt } from "../logic/budget.ts";
import { top } from "../logic/statistics.ts";
import { className, percent } from "../logic/words.ts";
import { answerKey, type Picture } from "../state.ts";
import type { TaskInfo } from "../worker/surface.ts";
import { Swatch, taskClass } from "./marks.tsx";

export function Answers({ app }: { app: App }) {
  const { info, task: only, working } = app.state;
  const picture = app.picture();
  return (
    <section class="answers" id="answer" tabIndex={-1} aria-labelledby="answer-title" aria-busy={working}>
      <h2 id="answer-title" class="sr-only">
        The answer
      </h2>
      <div class="answer-cards">
        {(info?.tasks ?? []).map((task, index) =>
          only === undefined || only === index ? (
            <Answer key={task.name} app={app} task={task} index={index} picture={picture} />
          ) : null,
        )}
        {!info && <div class="card answer waiting" aria-busy="true" />}
      </div>
      <p class="sr-only" aria-live="polite" data-testid="spoken">
        {working ? "" : spoken(app, picture)}
      </p>
    </section>
  );
}

interface Shown {
  picture: string;
  level: number;
  probabilities: Float32Array;
}

function Answer({ app, task, index, picture }: AnswerProps) {
  const { answers } = app.state;
  const level = app.levels()[index] ?? 1;
  const shown = useRef<Shown | undefined>(undefined);
  const before = useRef<Shown | undefined>(undefined);
  const wanted = picture && answers.get(answerKey(picture.id, index, level));
  // The old answer stays until the new one is there.
  if (picture && wanted && shown.current?.probabilities !== wanted) {
    before.current = shown.current?.picture === picture.id ? shown.current : undefined;
    shown.current = { picture: picture.id, level, probabilities: wanted };
  }
  const current = shown.current?.picture === picture?.id ? shown.current : undefined;
  const stale = current !== undefined && current.probabilities !== wanted;
  const [first, ...others] = current ? top(current.probabilities, 5) : [];
  const name = (index: number) => className(task.classes[index] ?? `class ${index}`);
  const share = (index: number) => current?.probabilities[index] ?? 0;
  const old = before.current && top(before.current.probabilities, 1)[0];
  return (
    <article
      class={`card answer ${taskClass(index)}${stale ? " stale" : ""}`}
      aria-label={task.title}
      data-testid={`answer-${task.name}`}
      data-level={current && !stale ? current.level : undefined}
    >
      <header>
        <h3>
          <Swatch task={index} />
          {task.title} <span class="small">{task.classes.length} classes</span>
        </h3>
        <span class="badge">Level {current?.level ?? level}</span>
      </header>
      {first !== undefined ? (
        <>
          <p class="top-class">
            <strong data-testid="class">{name(first)}</strong>
            <span class="share">{percent(share(first))}</span>
          </p>
          <div class="bar" aria-hidden="true">
            <div style={{ width: `${share(first) * 100}%` }} />
          </div>
          <Verdict task={task} truth={picture?.truth[index]} said={first} picture={picture} />
          <p class="changed">
            {old !== undefined && old !== first ? `Level ${before.current?.level} said ${name(old)}.` : ""}
          </p>
          <ol class="runners" start={2}>
            {others.map((other) => (
              <li key={other}>
                <span>{name(other)}</span>
                <span class="runner-bar" aria-hidden="true">
                  <span style={{ width: `${share(other) * 100}%` }} />
                </span>
                <span class="share">{percent(share(other))}</span>
              </li>
            ))}
          </ol>
        </>
      ) : (
        <p class="small empty">{picture ? "…" : "Choose a picture."}</p>
      )}
      <Climb app={app} task={task} index={index} picture={picture} />
    </article>
  );
}

interface AnswerProps {
  app: App;
  task: TaskInfo;
  index: number;
  picture: Picture | undefined;
}

/** Right or wrong, where the truth is known. */
function Verdict({ task, truth, said, picture }: VerdictProps) {
  if (truth === undefined) {
    const label = picture?.label && className(picture.label);
    return (
      <p class="verdict small">
        {label && picture?.source === "built-in"
          ? `It is: ${label}, which is none of these classes.`
          : "\u00a0"}
      </p>
    );
  }
  if (truth === said) return <p class="verdict right">✓ Right</p>;
  return <p class="verdict wrong">✗ Wrong: it is {className(task.classes[truth] ?? "")}</p>;
}

interface VerdictProps {
  task: TaskInfo;
  truth: number | undefined;
  said: number;
  picture: Picture | undefined;
}

/** The answer at every level, as far as they have been asked. */
function Climb({ app, task, index, picture }: AnswerProps) {
  const { answers, budget, stops } = app.state;
  if (!picture) return null;
  const here = app.levels()[index];
  const rows = task.levels.map(({ level }) => {
    const found = answers.get(answerKey(picture.id, index, level));
    return { level, best: found && top(found, 1)[0], found };
  });
  return (
    <div class="climb">
      <ol aria-label={`${task.title}, level by level`}>
        {rows.map(({ level, best, found }) => {
          const truth = picture.truth[index];
          const verdict = truth === undefined || best === undefined ? "" : truth === best ? "right" : "wrong";
          return (
            <li key={level} class={level === here ? "here" : ""}>
              <button
                type="button"
                onClick={() => app.setBudget(stopAt(stops, index, level)?.parameters ?? budget, true)}
                title={`Go to level ${level}`}
              >
                <span class={`climb-level ${verdict}`}>
                  {level} {verdict === "right" && "✓"}
                  {verdict === "wrong" && "✗"}
                </span>
                <span class="climb-class">
                  {best === undefined ? "?" : className(task.classes[best] ?? "")}
                </span>
                <small>{best === undefined ? "\u00a0" : percent(found?.[best] ?? 0)}</small>
              </button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

/** The answers as one text, for those who listen. */
function spoken(app: App, picture: Picture | undefined): string {
  const { info, answers } = app.state;
  if (!info || !picture) return "";
  return app
    .spots()
    .map(({ task, level }) => {
      const probabilities = answers.get(answerKey(picture.id, task, level));
      const best = probabilities && top(probabilities, 1)[0];
      const about = info.tasks[task];
      if (best === undefined || !about || !probabilities) return "";
      const truth = picture.truth[task];
      const verdict = truth === undefined ? "" : truth === best ? ", right" : ", wrong";
      const said = className(about.classes[best] ?? "");
      return `${about.title}, level ${level}: ${said}, ${percent(probabilities[best] ?? 0)}${verdict}.`;
    })
    .join(" ");
}
