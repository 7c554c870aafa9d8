// Finds out which engine is faster here: times the one that does not run in a worker of its own, whose memory goes with
// it. The largest level that the visitor has looked at decides, for there the time is felt.

import { Client } from "./client.ts";
import { keep, kept } from "./logic/kept.ts";
import type { Timing } from "./logic/statistics.ts";
import { judge, otherEngine, readVerdict, type Verdict, writeVerdict } from "./logic/verdict.ts";
import type { Stopwatch } from "./measuring.ts";
import type { EngineKind, Spot } from "./worker/protocol.ts";
import type { ModelInfo } from "./worker/surface.ts";

/** The engine that runs, and how long it takes. */
export interface Running {
  kind: EngineKind;
  /** Where the model is. */
  base: string;
  info: ModelInfo;
  /** How long one picture takes. */
  timing: (spot: Spot) => Timing | undefined;
}

export class Contest {
  constructor(private readonly stopwatch: Stopwatch) {}

  /** What an earlier visit found for a model. */
  verdict(base: string): Verdict | undefined {
    return readVerdict(kept("dvn-faster"), navigator.userAgent, base);
  }

  /**
   * Measures the other engine on the largest of some levels, all of them timed, unless one as large has been measured on
   * both. The verdict, and the other engine's time.
   */
  async hold(
    running: Running,
    spots: Spot[],
    rgb: (spot: Spot) => Uint8Array,
    signal: AbortSignal,
  ): Promise<[Verdict, Spot, Timing] | undefined> {
    const { base, info } = running;
    const about = ({ task, level }: Spot) => info.tasks[task]?.levels[level - 1];
    const macs = (spot: Spot) => about(spot)?.macs ?? 0;
    const [spot] = spots.toSorted((a, b) => macs(b) - macs(a));
    const timing = spot && running.timing(spot);
    if (!timing || this.settled(running, macs(spot))) return undefined;
    const kind = otherEngine(running.kind);
    const other = await this.time(kind, base, spot, rgb(spot), signal);
    if (!other) return undefined;
    const times = { [running.kind]: timing.median, [kind]: other.median } as Record<EngineKind, number>;
    const verdict = judge(
      running.kind,
      times,
      macs(spot),
      `${info.tasks[spot.task]?.title}, level ${spot.level}`,
    );
    keep("dvn-faster", writeVerdict(kept("dvn-faster"), navigator.userAgent, base, verdict));
    return [verdict, spot, other];
  }

  private settled({ base, info }: Running, macs: number): boolean {
    const verdict = this.verdict(base);
    // One on a level that this model does not have is of an earlier model of its name.
    const ours = info.tasks.some(({ levels }) => levels.some((level) => level.macs === verdict?.macs));
    return verdict !== undefined && ours && macs <= verdict.macs;
  }

  /** Times one picture on an engine of its own; nothing where that engine does not start. */
  private async time(
    kind: EngineKind,
    base: string,
    spot: Spot,
    rgb: Uint8Array,
    signal: AbortSignal,
  ): Promise<Timing | undefined> {
    const client = new Client((event) => {
      if (event.kind === "kernels") keep("dvn-kernels", event.record);
    });
    const close = () => client.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      const { engine } = await client.ask(
        "open",
        { base, engine: kind, record: kept("dvn-kernels") },
        signal,
      );
      return engine.kind === kind ? await this.stopwatch.time(client, spot, rgb, signal) : undefined;
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }
}
