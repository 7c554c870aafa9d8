// Fetches a model's files: over the network with progress, or from the browser's store.

import { Fault } from "./protocol.ts";
import type { ShardInfo } from "./surface.ts";

const STORE = "dvn-shards-1";

/** Milliseconds after which a store that has not answered is done without. */
const PATIENCE = 3_000;

export type Progress = (file: string, received: number, total: number) => void;

/** Where shards are kept between visits, by their SHA-256; absent where the browser has no such store. */
export interface ShardStore {
  get(sha256: string): Promise<Uint8Array | undefined>;
  put(sha256: string, bytes: Uint8Array): Promise<void>;
  drop(sha256: string): Promise<void>;
}

/**
 * The Cache API as a store. Its failures (a full disk, private browsing) only cost time, so they are silent; one that does
 * not answer at all is not asked again.
 */
export function browserStore(patience = PATIENCE): ShardStore {
  const key = (sha256: string) => new URL(`/shards/${sha256}`, location.origin).href;
  let cache: Promise<Cache> | undefined;
  let keys: Promise<Set<string>> | undefined;
  let mute = false;
  const open = () => {
    cache ??= "caches" in globalThis ? caches.open(STORE) : Promise.reject(new Error("no store"));
    return cache;
  };
  /** Asked for once: looking in vain for a file takes as long as fetching it from a server that is near. */
  const known = () => {
    keys ??= open().then(async (cache) => new Set((await cache.keys()).map(({ url }) => url)));
    return keys;
  };
  const find = async (sha256: string) => {
    const there = (await known()).has(key(sha256));
    return { response: there ? await (await open()).match(key(sha256)) : undefined };
  };
  return {
    async get(sha256) {
      if (mute) return undefined;
      try {
        const found = await within(patience, find(sha256));
        mute = !found;
        return found?.response && new Uint8Array(await found.response.arrayBuffer());
      } catch {
        return undefined;
      }
    },
    async put(sha256, bytes) {
      if (mute) return;
      try {
        await (await open()).put(key(sha256), new Response(bytes.slice()));
        (await known()).add(key(sha256));
      } catch {
        // The next visit fetches it again.
      }
    },
    async drop(sha256) {
      try {
        await (await open()).delete(key(sha256));
      } catch {
        // Nothing was there.
      }
    },
  };
}

/** What is promised, or nothing once `patience` milliseconds have passed. */
function within<T>(patience: number, promised: Promise<T>): Promise<T | undefined> {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, patience, undefined);
    promised.then(done, failed).finally(() => clearTimeout(timer));
  });
}

/** Fetches text (a model's description). */
export async function fetchText(address: string, limit: number): Promise<string> {
  const bytes = await download(address, limit, () => {});
  return new TextDecoder().decode(bytes);
}

/** Fetches a shard over the network, telling its progress. */
export async function fetchShard(
  base: string,
  shard: ShardInfo,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const tell = (received: number) => progress(shard.file, received, shard.bytes);
  tell(0);
  return download(new URL(shard.file, base).href, shard.bytes, tell, signal);
}

/** The bytes' SHA-256, lower-case hexadecimal; none where the page is not served securely. */
export async function sha256(bytes: Uint8Array): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function download(
  address: string,
  limit: number,
  tell: (received: number) => void,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const file = new URL(address).pathname.split("/").pop() ?? address;
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    const response = await fetch(address, signal ? { signal } : {});
    if (!response.ok) {
      throw new Fault("shard", `The server has no ${file} for us (it answered ${response.status}).`);
    }
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      received += value.length;
      if (received > limit) {
        await reader.cancel();
        throw new Fault("shard", `${file} is longer than the ${limit} bytes it should have.`);
      }
      chunks.push(value);
      tell(received);
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (signal?.aborted) throw new Fault("cancelled", "No longer needed.");
    throw new Fault("offline", `${file} could not be fetched: the connection to the server failed.`);
  }
  const bytes = new Uint8Array(received);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
