// The worker's end of the protocol: answers requests one after the other. Or one of the engine's threads.

import { loadEngine } from "./load.ts";
import { fetchPicture, see } from "./pictures.ts";
import { Fault, type FromWorker, type RequestKind, type Requests, type ToWorker } from "./protocol.ts";
import { Session } from "./session.ts";
import { browserStore, fetchText } from "./shards.ts";
import type { Surface } from "./surface.ts";
import { beThread, type Shared, THREAD } from "./threads.ts";

/** A description longer than this is no model's. */
const LONGEST_DESCRIPTION = 4e6;

const post = (message: FromWorker) => postMessage(message);
const running = new Map<number, AbortController>();
let surface: Promise<Surface> | undefined;
let session: Session | undefined;
let last: Promise<unknown> = Promise.resolve();

type Handler<K extends RequestKind> = (
  request: Requests[K]["request"],
  signal: AbortSignal,
) => Promise<Requests[K]["result"]>;

const handlers: { [K in RequestKind]: Handler<K> } = {
  async open({ base, engine, record, faster }) {
    session?.close();
    session = undefined;
    const [module, json] = await Promise.all([engineModule(), description(base)]);
    session = await Session.open(
      {
        surface: module,
        store: browserStore(),
        hasGpu: "gpu" in navigator,
        record,
        faster,
        progress: (file, received, total) => post({ kind: "progress", file, received, total }),
        memory: (memory) => post({ kind: "memory", memory }),
        kernels: (kernels, record) => post({ kind: "kernels", kernels, record }),
        engine: (choice) => post({ kind: "engine", engine: choice }),
      },
      base,
      json,
      engine,
    );
    return { info: session.info, engine: session.choice };
  },
  async keep({ spots }) {
    opened().keep(spots);
    return null;
  },
  async load({ task, level }, signal) {
    await opened().load({ task, level }, signal);
    return null;
  },
  async see({ address, name, sizes }) {
    return see(await engineModule(), await fetchPicture(address, name), sizes);
  },
  async run({ task, level, rgb, images }, signal) {
    const start = performance.now();
    const probabilities = await opened().run({ task, level }, rgb, images, signal);
    return { probabilities, milliseconds: performance.now() - start };
  },
  async time({ task, level, rgb }, signal) {
    return opened().time({ task, level }, rgb, signal);
  },
};

async function description(base: string): Promise<string> {
  try {
    return await fetchText(new URL("model.json", base).href, LONGEST_DESCRIPTION);
  } catch (error) {
    const fault = Fault.of(error);
    throw fault.fault === "shard" ? new Fault("model", fault.message) : fault;
  }
}

function opened(): Session {
  if (!session) throw new Fault("model", "No model is open.");
  return session;
}

function engineModule(): Promise<Surface> {
  surface ??= loadEngine().catch((error) => {
    surface = undefined;
    throw new Fault("engine", `The engine could not be loaded: ${Fault.of(error).message}`);
  });
  return surface;
}

async function answer(message: Exclude<ToWorker, { kind: "cancel" }>): Promise<void> {
  const { id, kind } = message;
  const signal = running.get(id)?.signal ?? AbortSignal.abort();
  try {
    if (signal.aborted) throw new Fault("cancelled", "No longer needed.");
    const handler = handlers[kind] as Handler<RequestKind>;
    post({ kind: "result", id, result: await handler(message, signal) });
  } catch (error) {
    const { fault, message } = Fault.of(error);
    post({ kind: "error", id, fault, message });
  } finally {
    running.delete(id);
  }
}

function receive({ data }: MessageEvent<ToWorker>): void {
  if (data.kind === "cancel") {
    running.get(data.id)?.abort();
    return;
  }
  running.set(data.id, new AbortController());
  // Pictures are decoded beside whatever runs; all else waits its turn, for there is one engine.
  if (data.kind === "see") void answer(data);
  else last = last.then(() => answer(data));
}

if (self.name === THREAD) {
  self.onmessage = ({ data }: MessageEvent<Shared>) => void beThread(data);
} else {
  self.onmessage = receive;
  // While the page still asks which models there are; a failure is told to whoever needs it.
  engineModule().catch(() => {});
}
