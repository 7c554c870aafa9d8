import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { browserStore } from "./shards.ts";

/** Milliseconds. */
const PATIENCE = 100;
const BYTES = new Uint8Array([1, 2, 3]);

const key = (sha256: string) => `http://localhost/shards/${sha256}`;

/** A browser's store that takes `milliseconds` to open and holds `BYTES` as shards "a" and "b". */
function storeThatOpensAfter(milliseconds: number) {
  const held = new Map(["a", "b"].map((sha256) => [key(sha256), BYTES]));
  const match = vi.fn(async (url: string) => held.has(url) && new Response(held.get(url)));
  const keys = vi.fn(async () => [...held.keys()].map((url) => ({ url })));
  const put = async (url: string, response: Response) =>
    void held.set(url, new Uint8Array(await response.arrayBuffer()));
  const open = vi.fn(async () => {
    await new Promise((done) => setTimeout(done, milliseconds));
    return { match, keys, put };
  });
  vi.stubGlobal("caches", { open });
  return { open, match, keys };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("location", { origin: "http://localhost" });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a slow store is waited for", async () => {
  const { open } = storeThatOpensAfter(PATIENCE - 1);
  const store = browserStore(PATIENCE);
  const found = store.get("a");
  await vi.runAllTimersAsync();
  expect(await found).toEqual(BYTES);
  expect(await store.get("b")).toEqual(BYTES);
  expect(open).toHaveBeenCalledOnce();
});

test("a store is looked into only for what it holds, and for what it was given since", async () => {
  const { match, keys } = storeThatOpensAfter(0);
  const store = browserStore(PATIENCE);
  const found = Promise.all([store.get("a"), store.get("c"), store.get("d")]);
  await vi.runAllTimersAsync();
  expect(await found).toEqual([BYTES, undefined, undefined]);
  await store.put("c", BYTES);
  expect(await store.get("c")).toEqual(BYTES);
  expect(match.mock.calls).toEqual([[key("a")], [key("c")]]);
  expect(keys).toHaveBeenCalledOnce();
});

test("a store that does not answer is done without, and not asked again", async () => {
  const { match } = storeThatOpensAfter(100 * PATIENCE);
  const store = browserStore(PATIENCE);
  const start = Date.now();
  const found = Promise.all([store.get("a"), store.get("b")]);
  await vi.advanceTimersByTimeAsync(PATIENCE);
  expect(await found).toEqual([undefined, undefined]);
  expect(await store.get("c")).toBeUndefined();
  await store.put("d", BYTES);
  expect(Date.now() - start).toBe(PATIENCE);
  await vi.runAllTimersAsync();
  expect(match).toHaveBeenCalledTimes(2);
});

test("a store that fails has nothing", async () => {
  vi.stubGlobal("caches", { open: () => Promise.reject(new Error("a full disk")) });
  expect(await browserStore(PATIENCE).get("a")).toBeUndefined();
});
