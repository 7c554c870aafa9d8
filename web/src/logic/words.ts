// Numbers as a person would say them.

/** Rounded to so many figures, without zeros that say nothing. */
const figures = (count: number) => (value: number) => String(Number(value.toPrecision(count)));
const three = figures(3);
const two = figures(2);

/** 1.9 MB, 112 KB. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} bytes`;
  if (count < 999_500) return `${two(count / 1e3)} KB`;
  return `${two(count / 1e6)} MB`;
}

/** 1.9 million, 28 thousand. */
export function many(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500) return `${two(count / 1e3)} thousand`;
  return `${two(count / 1e6)} million`;
}

/** 4.8 ms, 1.3 s. */
export function time(milliseconds: number): string {
  if (milliseconds < 0.995) return `${two(milliseconds)} ms`;
  if (milliseconds < 999.5) return `${milliseconds < 10 ? two(milliseconds) : three(milliseconds)} ms`;
  return `${two(milliseconds / 1000)} s`;
}

/** A share of the whole, 0 to 1: 92 %, 6 %, under 1 %. */
export function percent(share: number): string {
  if (share > 0 && share < 0.005) return "under 1 %";
  if (share < 1 && share > 0.995) return "over 99 %";
  return `${Math.round(share * 100)} %`;
}

/** A percentage from a model's description, one decimal where it says something. */
export function accuracy(value: number): string {
  return `${value.toFixed(1).replace(/\.0$/, "")} %`;
}

/** A level's accuracy, or why it has none that means something. */
export function worth(
  level: { accuracy?: { percent: number } | null; untrained?: boolean } | undefined,
): string {
  if (level?.untrained) return "not trained";
  return level?.accuracy ? accuracy(level.accuracy.percent) : "not measured";
}

/** 1 picture, 2 pictures. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** What a network's tasks are to a visitor: "2 different questions", "the same question"; "several questions" before their
 * number is known. */
export function questions(tasks: number | undefined): string {
  if (tasks === undefined) return "several questions";
  return tasks === 1 ? "the same question" : `${tasks} different questions`;
}

/** An exact number, with thin spaces between thousands. */
export function exact(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A class's name as words: "aquarium_fish" is "aquarium fish". */
export function className(name: string): string {
  return name.replaceAll("_", " ");
}
