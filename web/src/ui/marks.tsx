// Colours and shapes that stand for a task or a unit everywhere on the page; never a colour alone.

/** The class whose colour a task has (style.css). */
export function taskClass(task: number): string {
  return `task-${task % 3}`;
}

/** The class whose colour a unit has; units count from 1. */
export function unitClass(unit: number): string {
  return `unit-${(unit - 1) % 7}`;
}

/** The mark of a task in drawings: a disc, a square, a triangle. */
export function Mark({ task, x, y, size = 5, hollow = false }: MarkProps) {
  const className = `mark ${taskClass(task)}${hollow ? " hollow" : ""}`;
  if (task % 3 === 0) return <circle class={className} cx={x} cy={y} r={size} />;
  if (task % 3 === 1) {
    const half = size * 0.9;
    return <rect class={className} x={x - half} y={y - half} width={half * 2} height={half * 2} />;
  }
  const up = size * 1.15;
  return (
    <path class={className} d={`M${x} ${y - up} L${x + up} ${y + up * 0.8} L${x - up} ${y + up * 0.8} Z`} />
  );
}

interface MarkProps {
  task: number;
  x: number;
  y: number;
  size?: number;
  hollow?: boolean;
}

/** A task's mark beside its name. */
export function Swatch({ task }: { task: number }) {
  return (
    <svg class="swatch" viewBox="0 0 14 14" aria-hidden="true">
      <Mark task={task} x={7} y={7} />
    </svg>
  );
}
