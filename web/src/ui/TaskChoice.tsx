// Which questions are answered, all of them or one, and by which levels.

import type { App } from "../app.ts";
import { answerKey } from "../state.ts";
import { Swatch } from "./marks.tsx";

export function TaskChoice({ app }: { app: App }) {
  const { info, task, answers, job } = app.state;
  if (!info) return <div class="task-row" />;
  const picture = app.picture();
  const open =
    picture &&
    info.tasks.some((each, index) =>
      each.levels.some(({ level }) => !answers.has(answerKey(picture.id, index, level))),
    );
  const choices: [number | undefined, string][] = [
    [undefined, info.tasks.length === 2 ? "Both" : "All"],
    ...info.tasks.map((each, index): [number, string] => [index, each.title]),
  ];
  return (
    <div class="task-row">
      {info.tasks.length > 1 && (
        <fieldset class="segments">
          <legend>Questions to answer</legend>
          {choices.map(([value, name]) => (
            <label key={name}>
              <input type="radio" name="task" checked={task === value} onChange={() => app.setTask(value)} />
              <span>
                {value !== undefined && <Swatch task={value} />}
                {name}
              </span>
            </label>
          ))}
        </fieldset>
      )}
      {open ? (
        <button type="button" class="link" disabled={job !== undefined} onClick={() => void app.climb()}>
          Ask every level
        </button>
      ) : (
        <span class="small">{picture && "Every level has answered."}</span>
      )}
    </div>
  );
}
