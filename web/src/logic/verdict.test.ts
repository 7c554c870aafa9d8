import { describe, expect, test } from "vitest";
import { judge, readVerdict, type Verdict, writeVerdict } from "./verdict.ts";

describe("the faster engine", () => {
  test("is taken, and the page says by how much", () => {
    expect(judge("webgpu", { webgpu: 4.2, cpu: 0.57 }, 9, "CIFAR-10, level 1")).toEqual({
      kind: "cpu",
      why: "it takes 0.57 ms here, the graphics processor 4.2 ms (CIFAR-10, level 1)",
      macs: 9,
    });
    expect(judge("cpu", { webgpu: 2, cpu: 19 }, 9, "level 2")).toEqual({
      kind: "webgpu",
      why: "it takes 2 ms here, the processor 19 ms (level 2)",
      macs: 9,
    });
    expect(judge("webgpu", { webgpu: 2, cpu: 19 }, 9, "level 2").kind).toBe("webgpu");
  });

  test("is no other than the one that runs, where they hardly differ", () => {
    for (const running of ["cpu", "webgpu"] as const)
      for (const times of [
        { cpu: 10, webgpu: 9.1 },
        { cpu: 9.1, webgpu: 10 },
      ]) {
        const { kind, why } = judge(running, times, 9, "level 2");
        expect(kind).toBe(running);
        expect(why).toMatch(/^it takes .* here, the .*processor about as long, .* ms \(level 2\)$/);
      }
    expect(judge("webgpu", { cpu: 8.9, webgpu: 10 }, 9, "level 2").kind).toBe("cpu");
  });
});

describe("a kept verdict", () => {
  const cpu: Verdict = { kind: "cpu", why: "it is faster here", macs: 1e6 };
  const gpu: Verdict = { kind: "webgpu", why: "it is faster here", macs: 1e9 };

  test("is each model's own", () => {
    const text = writeVerdict(writeVerdict(undefined, "Browser 1", "a", cpu), "Browser 1", "b", gpu);
    expect(readVerdict(text, "Browser 1", "a")).toEqual(cpu);
    expect(readVerdict(text, "Browser 1", "b")).toEqual(gpu);
    expect(readVerdict(text, "Browser 1", "c")).toBeUndefined();
    expect(readVerdict(text, "Browser 1", "toString")).toBeUndefined();
    expect(readVerdict(writeVerdict(text, "Browser 1", "a", gpu), "Browser 1", "a")).toEqual(gpu);
  });

  test("holds for the browser that measured it", () => {
    const text = writeVerdict(undefined, "Browser 1", "a", cpu);
    expect(readVerdict(text, "Browser 2", "a")).toBeUndefined();
    expect(readVerdict(writeVerdict(text, "Browser 2", "b", gpu), "Browser 2", "a")).toBeUndefined();
  });

  test("that is no verdict is not believed", () => {
    const kept = (models: unknown) => JSON.stringify({ browser: "Browser 1", models });
    for (const text of [
      undefined,
      "",
      "{",
      "null",
      "7",
      kept(null),
      kept([]),
      kept({ a: null }),
      kept({ a: "cpu" }),
      kept({ a: { ...cpu, kind: "tpu" } }),
      kept({ a: { ...cpu, why: 7 } }),
      kept({ a: { kind: "cpu", why: "it is" } }),
    ]) {
      expect(readVerdict(text, "Browser 1", "a")).toBeUndefined();
      expect(readVerdict(writeVerdict(text, "Browser 1", "a", gpu), "Browser 1", "a")).toEqual(gpu);
    }
  });
});
