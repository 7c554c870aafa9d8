// What an engineer wants to know, and can copy.

import { useState } from "preact/hooks";
import type { App } from "../app.ts";
import { bytes, exact, time } from "../logic/words.ts";
import { spotKey } from "../state.ts";
import { Kernels } from "./Kernels.tsx";
import { Scroll } from "./Scroll.tsx";

const BUILDS = {
  simd: "WebAssembly, 128-bit SIMD",
  relaxed: "WebAssembly, relaxed SIMD",
  threads: "WebAssembly, relaxed SIMD, threads",
};

export function Details({ app }: { app: App }) {
  const { info, engine, memory } = app.state;
  const [copied, setCopied] = useState("");
  if (!info || !app.state.below) return <section class="card waiting" aria-busy="true" id="view-details" />;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(report(app), null, 2));
      setCopied("Copied.");
    } catch {
      setCopied("The browser does not allow copying here.");
    }
  };
  const maps = Math.max(
    0,
    ...app.spots().map(({ task, level }) => info.tasks[task]?.levels[level - 1]?.activation_bytes ?? 0),
  );
  const facts: [string, string][] = [
    ["Model", `${info.name} (${info.backbone}, ${info.units.length} units)`],
    ["Engine", engine ? `${engine.kind === "webgpu" ? "WebGPU" : "CPU"}, ${engine.adapter}` : "–"],
    ...(engine?.detail ? [["Why not WebGPU", engine.detail] as [string, string]] : []),
    ["Build", engine ? BUILDS[engine.build] : "–"],
    ["Weights in memory", `${bytes(memory.bytes)} in ${memory.files.length} files`],
    ["Intermediate results, one picture", bytes(maps)],
    ["The engine's own memory (WebAssembly)", bytes(memory.heapBytes)],
    ["Fetched over the network", bytes(memory.fetched)],
    ["From this browser's store", bytes(memory.stored)],
  ];
  return (
    <section class="card" id="view-details" aria-labelledby="details-title">
      <h2 id="details-title">Details for engineers</h2>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Scroll name="Every level of every task, as a table">
        <table>
          <caption class="sr-only">Every level of every task</caption>
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">Level</th>
              <th scope="col">Units</th>
              <th scope="col">Parameters</th>
              <th scope="col">Multiply-adds</th>
              <th scope="col">Median</th>
              <th scope="col">95th percentile</th>
              <th scope="col">Accuracy</th>
              <th scope="col">Test pictures</th>
            </tr>
          </thead>
          <tbody>
            {info.tasks.flatMap((task, index) =>
              task.levels.map((level) => {
                const found = app.state.times.get(spotKey(index, level.level));
                return (
                  <tr key={spotKey(index, level.level)}>
                    <td>{task.title}</td>
                    <td>{level.level}</td>
                    <td>{level.units.join(" ")}</td>
                    <td>{exact(level.parameters)}</td>
                    <td>{exact(level.macs)}</td>
                    <td>{found ? time(found.median) : "–"}</td>
                    <td>{found ? time(found.p95) : "–"}</td>
                    <td>{level.accuracy ? `${level.accuracy.percent.toFixed(2)} %` : "–"}</td>
                    <td>{level.accuracy ? exact(level.accuracy.images) : "–"}</td>
                  </tr>
                );
              }),
            )}
          </tbody>
        </table>
      </Scroll>
      <Kernels app={app} />
      <p class="actions">
        <button type="button" onClick={() => void copy()}>
          Copy as JSON
        </button>
        <span class="small" role="status">
          {copied}
        </span>
      </p>
    </section>
  );
}

/** The figures in the shape that `dvn-train eval --json` has, with what they were measured on. */
function report(app: App) {
  const { info, engine, kernels, memory, times } = app.state;
  return {
    model: info?.name,
    backbone: info?.backbone,
    engine,
    ...(kernels ? { kernels } : {}),
    browser: navigator.userAgent,
    memory: {
      weight_bytes: memory.bytes,
      activation_bytes: memory.activationBytes,
      heap_bytes: memory.heapBytes,
      fetched_bytes: memory.fetched,
      stored_bytes: memory.stored,
      files: memory.files,
    },
    tasks: info?.tasks.map((task, index) => ({
      name: task.name,
      levels: task.levels.map((level) => {
        const found = times.get(spotKey(index, level.level));
        return {
          level: level.level,
          units: level.units,
          parameters: level.parameters,
          bytes: level.bytes,
          macs: level.macs,
          ...(level.accuracy ? { accuracy: level.accuracy.percent, images: level.accuracy.images } : {}),
          ...(found ? { ms_per_image: found.median, ms_p95: found.p95, runs: found.runs } : {}),
        };
      }),
    })),
  };
}
