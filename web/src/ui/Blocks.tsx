// The picture of the idea: the weights as a grid of blocks, filled as far as they are in memory.

import { useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { type Block, blocks, firstUse, users } from "../logic/budget.ts";
import { bytes, counted, many, percent } from "../logic/words.ts";
import type { ModelInfo } from "../worker/surface.ts";
import { Mark, Swatch, unitClass } from "./marks.tsx";
import { Scroll } from "./Scroll.tsx";

const SIDE = 400;
const GAP = 4;

interface Place {
  block: Block;
  x: number;
  y: number;
  width: number;
  height: number;
}

export function BlocksSection({ app }: { app: App }) {
  const { info, memory } = app.state;
  const [pointed, setPointed] = useState<Block | undefined>();
  if (!info || !app.state.below)
    return <section class="card waiting tall" aria-busy="true" id="view-blocks" />;
  const all = blocks(info);
  const resident = all.filter((block) => memory.files.includes(block.file));
  const shared = resident.filter((block) => users(info, app.spots(), block).length > 1).length;
  const several = info.tasks.length === 2 ? "both questions" : "several questions";
  const total = info.shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return (
    <section class="card" id="view-blocks" aria-labelledby="blocks-title">
      <h2 id="blocks-title">The blocks</h2>
      <p class="intro">
        The network's {many(total / 4)} numbers are cut into {counted(info.units.length, "unit")}. A block
        holds the numbers that lead from one unit to another, and is as large as they are many. A level loads
        the blocks among its own units, and nothing else: the small network is a corner of the large one.
      </p>
      <div class="blocks">
        <Grid info={info} all={all} app={app} pointed={pointed} onPoint={setPointed} />
        <div class="blocks-side">
          <p class="pointed" aria-live="polite">
            {pointed
              ? describe(info, pointed, memory.files.includes(pointed.file))
              : "Point at a block to see what it is."}
          </p>
          <Orders app={app} info={info} />
          <p>
            In memory now:{" "}
            <strong>
              {resident.length} of {all.length} blocks
            </strong>
            {shared > 0 && `, ${shared} of them for ${several}`}: {bytes(memory.bytes)} of {bytes(total)} (
            {percent(memory.bytes / total)}), with the parts below that belong to one{" "}
            {info.tasks.length > 1 ? "question" : "level"} alone.
          </p>
          <OwnParts app={app} info={info} />
          <BlockTable info={info} all={all} files={memory.files} />
        </div>
      </div>
    </section>
  );
}

/** Where every block lies: rows and columns as wide as their unit's share. */
function layout(info: ModelInfo, all: Block[]): Place[] {
  const room = SIDE - GAP * (info.units.length - 1);
  const sides = info.units.map((share) => share * room);
  const starts = sides.map((_, unit) => sides.slice(0, unit).reduce((sum, side) => sum + side + GAP, 0));
  return all.map((block) => ({
    block,
    x: starts[block.from - 1] ?? 0,
    y: starts[block.to - 1] ?? 0,
    width: sides[block.from - 1] ?? 0,
    height: sides[block.to - 1] ?? 0,
  }));
}

function Grid({ info, all, app, pointed, onPoint }: GridProps) {
  const { memory, arriving } = app.state;
  const places = layout(info, all);
  const units = info.units.map((_, index) => index + 1);
  const [focus, setFocus] = useState(0);
  const ref = useRef<SVGSVGElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const k = units.length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -k, ArrowDown: k }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = focus + step;
    if (next < 0 || next >= places.length) return;
    setFocus(next);
    ref.current?.querySelectorAll<SVGGElement>(".block")[next]?.focus();
  };
  return (
    <svg
      ref={ref}
      class="grid"
      viewBox={`-34 -34 ${SIDE + 38} ${SIDE + 38}`}
      role="group"
      aria-label={`${all.length} blocks of weights; the arrow keys go from one to the next`}
      onKeyDown={onKeyDown}
    >
      <defs>
        {places.map(({ block }) => (
          <linearGradient key={block.file} id={gradient(block)} x1="0" y1="0.25" x2="1" y2="0.75">
            <stop offset="30%" class={`stop ${unitClass(block.from)}`} />
            <stop offset="70%" class={`stop ${unitClass(block.to)}`} />
          </linearGradient>
        ))}
        <pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect class="hatch" width="3.5" height="8" />
        </pattern>
      </defs>
      <text x={-34} y={-26} class="corner" aria-hidden="true">
        from →
      </text>
      <text x={-34} y={-10} class="corner" aria-hidden="true">
        to ↓
      </text>
      {places
        .filter(({ block }) => block.from === block.to)
        .map(({ block, x, width }) => (
          <g key={block.file} aria-hidden="true" class={`axis ${unitClass(block.from)}`}>
            <circle cx={x + width / 2} cy={-18} r={12} />
            <text x={x + width / 2} y={-18}>
              {block.from}
            </text>
            <circle cx={-18} cy={x + width / 2} r={12} />
            <text x={-18} y={x + width / 2}>
              {block.from}
            </text>
          </g>
        ))}
      {places.map(({ block, ...box }, index) => {
        const there = memory.files.includes(block.file);
        const coming = there ? undefined : arriving.get(block.file);
        const state = there ? "in memory" : coming ? "loading" : "not loaded";
        return (
          <g
            key={block.file}
            role="img"
            tabIndex={index === focus ? 0 : -1}
            class={`block ${there ? "there" : ""} ${pointed?.file === block.file ? "pointed" : ""}`}
            aria-label={`${words(block)}, ${bytes(block.bytes)}, ${state}`}
            data-state={there ? "resident" : coming ? "arriving" : "absent"}
            onPointerEnter={() => onPoint(block)}
            onPointerLeave={() => onPoint(undefined)}
            onFocus={() => {
              setFocus(index);
              onPoint(block);
            }}
            onBlur={() => onPoint(undefined)}
          >
            <rect class="room" {...box} rx="7" />
            <rect
              class="fill"
              {...box}
              rx="7"
              style={{
                fill: `url(#${gradient(block)})`,
                transformOrigin: `${box.x}px ${box.y + box.height}px`,
              }}
            />
            {coming && <Coming box={box} share={coming.received / coming.total} />}
            {there && <Users app={app} info={info} block={block} x={box.x} y={box.y} />}
            {box.width > 46 && box.height > 26 && (
              <text x={box.x + box.width / 2} y={box.y + box.height / 2}>
                {block.from === block.to ? block.from : `${block.from} → ${block.to}`}
              </text>
            )}
          </g>
        );
      })}
    </svg>
  );
}

interface GridProps {
  info: ModelInfo;
  all: Block[];
  app: App;
  pointed: Block | undefined;
  onPoint: (block: Block | undefined) => void;
}

/** The marks of the tasks that use a block just now, in its corner. */
function Users({
  app,
  info,
  block,
  x,
  y,
}: {
  app: App;
  info: ModelInfo;
  block: Block;
  x: number;
  y: number;
}) {
  return (
    <g class="users">
      {users(info, app.spots(), block).map((task, index) => (
        <Mark key={task} task={task} x={x + 12 + index * 14} y={y + 12} size={4.5} />
      ))}
    </g>
  );
}

/** A block on its way: hatched from the bottom as far as it has come. */
function Coming({ box, share }: { box: Omit<Place, "block">; share: number }) {
  const height = Math.max(2, box.height * Math.min(1, share));
  return (
    <rect
      x={box.x}
      y={box.y + box.height - height}
      width={box.width}
      height={height}
      fill="url(#hatch)"
      rx="7"
    />
  );
}

function gradient({ from, to }: Block): string {
  return `flow-${from}-${to}`;
}

function words({ from, to }: Block): string {
  return from === to ? `within unit ${from}` : `from unit ${from} to unit ${to}`;
}

function describe(info: ModelInfo, block: Block, there: boolean) {
  const use = info.tasks.map((task) => {
    const level = firstUse(task, block);
    return level === undefined ? `${task.title} never uses it` : `${task.title} uses it from level ${level}`;
  });
  const name = words(block);
  return (
    <>
      <strong>{name[0]?.toUpperCase() + name.slice(1)}</strong>: {many(block.bytes / 4)} numbers,{" "}
      {bytes(block.bytes)}, {there ? "in memory" : "not loaded"}. {use.join("; ")}.
    </>
  );
}

/** The order in which the units join, for every task. */
function Orders({ app, info }: { app: App; info: ModelInfo }) {
  const spots = app.spots();
  return (
    <dl class="orders">
      {info.tasks.map((task, index) => {
        const level = spots.find((spot) => spot.task === index)?.level ?? 0;
        return (
          <div key={task.name}>
            <dt>
              <Swatch task={index} /> {task.title}
            </dt>
            <dd>
              {task.order.map((unit, at) => (
                <span key={unit} class={`unit-dot ${unitClass(unit)} ${at < level ? "in" : ""}`}>
                  {unit}
                  {at < level && <span class="sr-only"> in use</span>}
                </span>
              ))}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

/** What is not shared: every task's first layer, and every level's own numbers. */
function OwnParts({ app, info }: { app: App; info: ModelInfo }) {
  const { memory } = app.state;
  const parts = info.shards.flatMap((shard) => {
    const stem = /^stem-(\d+)\./.exec(shard.file);
    const level = /^level-(\d+)-(\d+)\./.exec(shard.file);
    if (stem) return [{ ...shard, name: "first layer", task: Number(stem[1]) - 1 }];
    if (level)
      return [{ ...shard, name: `level ${level[2]}'s last layer and scales`, task: Number(level[1]) - 1 }];
    return [];
  });
  return (
    <ul class="own-parts" aria-label="Parts that are not shared">
      {parts.map(({ file, name, task, bytes: size }) => {
        const there = memory.files.includes(file);
        const title = info.tasks[task]?.title ?? "";
        return (
          <li key={file} class={there ? "there" : ""} title={`${title}: ${name}, ${bytes(size)}`}>
            <Swatch task={task} />
            <span class="sr-only">
              {title}: {there ? "in memory" : "not loaded"},{" "}
            </span>
            {name.replace("'s last layer and scales", "")}
          </li>
        );
      })}
    </ul>
  );
}

function BlockTable({ info, all, files }: { info: ModelInfo; all: Block[]; files: string[] }) {
  return (
    <details>
      <summary>The blocks as a table</summary>
      <Scroll name="Blocks of shared weights, as a table">
        <table>
          <caption class="sr-only">Blocks of shared weights</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col">Size</th>
              {info.tasks.map((task) => (
                <th key={task.name} scope="col">
                  {task.title} from
                </th>
              ))}
              <th scope="col">In memory</th>
            </tr>
          </thead>
          <tbody>
            {all.map((block) => (
              <tr key={block.file}>
                <td>unit {block.from}</td>
                <td>unit {block.to}</td>
                <td>{bytes(block.bytes)}</td>
                {info.tasks.map((task) => (
                  <td key={task.name}>level {firstUse(task, block) ?? "–"}</td>
                ))}
                <td>{files.includes(block.file) ? "yes" : "no"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
