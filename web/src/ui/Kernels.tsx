// How a level runs on the graphics processor: which kernel does what, and why that one.

import type { App } from "../app.ts";
import type { StageKernel } from "../worker/surface.ts";
import { Scroll } from "./Scroll.tsx";

const WHY: Record<StageKernel["origin"], string> = {
  only: "the only one here",
  rule: "by rule",
  measured: "measured now",
  kept: "kept from an earlier visit",
  forced: "asked for",
};

export function Kernels({ app }: { app: App }) {
  const { info, engine, kernels } = app.state;
  if (!kernels || engine?.kind !== "webgpu") return null;
  const title = info?.tasks[kernels.task]?.title ?? "";
  return (
    <>
      <h3>On the graphics processor</h3>
      <p class="small">
        {title}, level {kernels.level}, one picture: {kernels.dispatches} dispatches.{" "}
        {engine.software
          ? "The kernels are not measured here: the graphics processor is imitated in software, whose times say nothing."
          : "Of up to four kernels for each shape of layer, the fastest on this device is used."}
      </p>
      <Scroll name="The kernel of each shape of layer">
        <table data-testid="kernels">
          <caption class="sr-only">The kernel of each shape of layer</caption>
          <thead>
            <tr>
              <th scope="col">Layer (height x width x channels)</th>
              <th scope="col">Layers</th>
              <th scope="col">Kernel</th>
              <th scope="col">Chosen</th>
            </tr>
          </thead>
          <tbody>
            {kernels.stages.map((stage, index) => (
              <tr key={`${index}: ${stage.shape}`}>
                <td>{stage.shape}</td>
                <td>{stage.layers}</td>
                <td>{stage.kernel}</td>
                <td>{WHY[stage.origin]}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {kernels.dropped.map(({ kernel, reason }) => (
        <p class="small" key={kernel} data-testid="dropped">
          Left out: {kernel}: {reason}.
        </p>
      ))}
    </>
  );
}
