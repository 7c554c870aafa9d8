// What the budget buys, in a sentence.

import type { App } from "../app.ts";
import { stopFor } from "../logic/budget.ts";
import { counted } from "../logic/words.ts";

export function Purchase({ app }: { app: App }) {
  const { info, budget } = app.state;
  if (!info) return null;
  const spots = app.spots();
  const [first] = spots;
  const levels = spots.map(({ task, level }, index) => (
    <span key={task}>
      {index > 0 && (index === spots.length - 1 ? " and " : ", ")}
      <strong>level {level}</strong> for {info.tasks[task]?.title}
    </span>
  ));
  if (app.sharing()) {
    const { accuracy: mean } = stopFor(info.together, budget);
    return (
      <p>
        This buys {levels}
        {mean !== undefined && ", the best mix that fits"}.
      </p>
    );
  }
  if (!first || spots.some(({ level }) => level !== first.level)) return <p>This buys {levels}.</p>;
  const units = info.units.length;
  const part = first.level === units ? "the whole network" : `${counted(first.level, "unit")} of ${units}`;
  return (
    <p>
      This buys <strong>level {first.level}</strong>: {part}
      {spots.length > 1 && " for each question"}.
    </p>
  );
}
