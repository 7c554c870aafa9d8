// A chart of accuracy against a cost: a line for each task, a point for each level.

import { ticks } from "d3-array";
import { useWidth } from "./hooks.ts";
import { Mark, taskClass } from "./marks.tsx";

export interface Point {
  task: number;
  level: number;
  /** What it costs. */
  x: number;
  /** Where the middle half of the measurements lies. */
  spread?: [number, number] | undefined;
  /** Test accuracy, percent. */
  y?: number | undefined;
  /** Accuracy on the visitor's pictures, percent, with its interval. */
  own?: { percent: number; low: number; high: number } | undefined;
  /** Whether the budget buys just this level. */
  chosen: boolean;
}

interface ChartProps {
  title: string;
  points: Point[];
  xName: string;
  /** How a cost is written at the axis. */
  xText: (value: number) => string;
  /** Said instead, while there is nothing to draw. */
  empty: string;
}

const HEIGHT = 280;
const MARGIN = { top: 16, right: 18, bottom: 44, left: 48 };

export function Chart({ title, points, xName, xText, empty }: ChartProps) {
  const { ref, width } = useWidth(460);
  const drawn = points.filter((point) => point.y !== undefined || point.own);
  const lows = drawn.flatMap(({ y, own }) => [y, own?.low].filter((value) => value !== undefined));
  const floor = Math.max(0, Math.floor((Math.min(100, ...lows) - 4) / 10) * 10);
  const dearest = Math.max(0, ...drawn.map(({ x }) => x));
  const widest = Math.max(0, ...drawn.map(({ spread }) => spread?.[1] ?? 0));
  // One disturbed measurement must not squeeze all others to the edge.
  const most = Math.max(dearest, Math.min(widest, dearest * 2));
  const end = most * 1.05 || 1;
  const xs = (x: number) => MARGIN.left + Math.min(1, x / end) * (width - MARGIN.left - MARGIN.right);
  const ys = (y: number) => MARGIN.top + ((100 - y) / (100 - floor)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const tasks = [...new Set(drawn.map((point) => point.task))];
  const path = (task: number) => {
    const line = drawn.flatMap(({ task: of, x, y }) =>
      of === task && y !== undefined ? [`${xs(x)} ${ys(y)}`] : [],
    );
    return line.length > 0 ? `M${line.join("L")}` : "";
  };
  return (
    <div class="chart" ref={ref}>
      {drawn.length === 0 ? (
        <p class="chart-empty small">{empty}</p>
      ) : (
        <svg
          width={width}
          height={HEIGHT}
          role="img"
          aria-label={`${title}; the table beside it has the numbers`}
        >
          {ticks(floor, 100, 5).map((tick) => (
            <g key={tick} class="rule">
              <line x1={MARGIN.left} x2={width - MARGIN.right} y1={ys(tick)} y2={ys(tick)} />
              <text x={MARGIN.left - 8} y={ys(tick)} class="y">
                {tick} %
              </text>
            </g>
          ))}
          {ticks(0, end, Math.max(3, Math.round(width / 110))).map((tick) => (
            <text key={tick} x={xs(tick)} y={HEIGHT - MARGIN.bottom + 16} class="x">
              {xText(tick)}
            </text>
          ))}
          <text x={(MARGIN.left + width - MARGIN.right) / 2} y={HEIGHT - 6} class="x name">
            {xName}
          </text>
          {tasks.map((task) => (
            <path key={task} class={`trend ${taskClass(task)}`} d={path(task)} />
          ))}
          {drawn.map((point) => (
            <Dot key={`${point.task}/${point.level}`} point={point} xs={xs} ys={ys} />
          ))}
        </svg>
      )}
    </div>
  );
}

type Scale = (value: number) => number;

function Dot({ point, xs, ys }: { point: Point; xs: Scale; ys: Scale }) {
  const { task, level, y, own, spread, chosen } = point;
  const x = xs(point.x);
  return (
    <g>
      {own && (
        <g class={`own ${taskClass(task)}`}>
          <line x1={x} x2={x} y1={ys(own.low)} y2={ys(own.high)} />
          <Mark task={task} x={x} y={ys(own.percent)} hollow />
        </g>
      )}
      {y !== undefined && (
        <g>
          {spread && (
            <line
              class={`spread ${taskClass(task)}`}
              x1={xs(spread[0])}
              x2={xs(spread[1])}
              y1={ys(y)}
              y2={ys(y)}
            />
          )}
          {chosen && <circle class="ring" cx={x} cy={ys(y)} r={11} />}
          <Mark task={task} x={x} y={ys(y)} />
          <text class="level" x={x} y={ys(y) + (task === 0 ? -17 : 25)}>
            {level}
          </text>
        </g>
      )}
    </g>
  );
}
