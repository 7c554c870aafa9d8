import { describe, expect, test } from "vitest";
import { type Moment, readLink, writeLink } from "./link.ts";

describe("a link", () => {
  test("holds a moment and gives it back", () => {
    const moment: Moment = {
      model: "quick",
      task: "cifar100",
      level: 3,
      image: "a b&c.png",
      view: "accuracy",
      engine: "cpu",
    };
    expect(readLink(writeLink(moment))).toEqual(moment);
    expect(readLink(writeLink({ budget: 1234567 }))).toEqual({ budget: 1234567 });
    expect(readLink(writeLink({ share: true, budget: 9 }))).toEqual({ share: true, budget: 9 });
  });

  test("leaves out what is as usual", () => {
    expect(writeLink({ view: "try", engine: "auto", share: false })).toBe("");
    expect(writeLink({})).toBe("");
  });

  test("ignores what it does not understand", () => {
    for (const text of [
      "#level=-1",
      "#level=two",
      "#level=0",
      "#view=<b>",
      "#engine=tpu",
      "#x=1",
      "#share=yes",
      "#%",
      "#",
    ]) {
      expect(readLink(text), text).toEqual({});
    }
    expect(readLink("#level=2&level=3&view=blocks&view=x")).toEqual({ level: 2, view: "blocks" });
  });
});
