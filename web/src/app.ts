// Everything that happens on the page: keeps the state, asks the worker, follows the address.

import { Client } from "./client.ts";
import { Contest } from "./contest.ts";
import { Gallery } from "./gallery.ts";
import { Jobs } from "./jobs.ts";
import { canShare, levelsFor, stopFor, stops } from "./logic/budget.ts";
import { keep, kept } from "./logic/kept.ts";
import { type Moment, readLink, type View, writeLink } from "./logic/link.ts";
import { Quiet, Stopwatch } from "./measuring.ts";
import { answerKey, emptyState, type Job, type Picture, type State, spotKey } from "./state.ts";
import { type EngineWish, Fault, type FromWorker, type Spot } from "./worker/protocol.ts";

/** How many pictures run in one go of a long job; in between the visitor's own wishes get their turn. */
const CHUNK = 8;

/** Milliseconds after which the rest of the page no longer waits for the first answer. */
const PATIENCE = 1_000;

export class App {
  readonly state: State = emptyState();
  readonly gallery: Gallery;
  private readonly client: Client;
  private readonly stopwatch = new Stopwatch();
  private readonly contest = new Contest(this.stopwatch);
  private readonly jobs: Jobs;
  private readonly listeners = new Set<() => void>();
  private told = false;
  private coming = false;
  /** Cancels what an older wish is still loading. */
  private wishing = new AbortController();
  private readonly quiet = new Quiet((signal) => this.measureQuietly(signal));

  constructor() {
    this.client = new Client((event) => this.onEvent(event));
    this.gallery = new Gallery(this.state, this.client, () => this.changed());
    this.jobs = new Jobs(this.state, () => this.changed());
    addEventListener("popstate", () => void this.follow(readLink(location.hash)));
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Tells the views, once for all changes made in one go. */
  changed(): void {
    if (this.told) return;
    this.told = true;
    queueMicrotask(() => {
      this.told = false;
      for (const listener of this.listeners) listener();
    });
  }

  /** Tells the views with the next frame: while files arrive, more changes than that could not be seen. */
  private changing(): void {
    if (this.coming) return;
    this.coming = true;
    requestAnimationFrame(() => {
      this.coming = false;
      this.changed();
    });
  }

  async start(): Promise<void> {
    const moment = readLink(location.hash);
    try {
      const answer = await fetch(new URL("models/index.json", document.baseURI));
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const list: unknown = await answer.json();
      const names = (list as { models?: unknown }).models;
      this.state.models = Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
      if (this.state.models.length === 0)
        throw new Error("no model is there; train one, then start with --model");
    } catch (error) {
      const message = `The list of models could not be read: ${Fault.of(error).message}.`;
      this.state.broken = { fault: "model", message };
      this.changed();
      return;
    }
    await this.follow(moment);
  }

  /** Whether all tasks share the budget now. */
  sharing(): boolean {
    const { share, task, info } = this.state;
    return share && task === undefined && canShare(info);
  }

  /** The level of every task, as the budget buys them. */
  levels(): number[] {
    const { info, budget } = this.state;
    return info ? levelsFor(info, budget, this.sharing()) : [];
  }

  /** The levels of the tasks that are answered. */
  spots(): Spot[] {
    const { task: only } = this.state;
    const all = this.levels().map((level, task) => ({ task, level }));
    return all.filter(({ task }) => only === undefined || only === task);
  }

  picture(): Picture | undefined {
    return this.state.pictures.find((picture) => picture.id === this.state.current);
  }

  // What the visitor can do.

  /** Moves the slider; `settled` when the hand is off it, which the browser's Back can return to. */
  setBudget(parameters: number, settled: boolean): void {
    this.state.budget = parameters;
    this.remember(settled);
    void this.answer();
  }

  setTask(task: number | undefined): void {
    this.state.task = task;
    this.suitBudget();
    this.remember(true);
    void this.answer();
  }

  /** Lets all tasks share the budget, or gives it to each of them. */
  setShare(share: boolean): void {
    this.state.share = share;
    this.suitBudget();
    this.remember(true);
    void this.answer();
  }

  setView(view: View): void {
    this.state.view = view;
    this.state.below = true;
    this.remember(true);
    this.changed();
  }

  choose(id: string): void {
    this.state.current = id;
    this.remember(true);
    void this.answer();
  }

  setTruth(picture: Picture, task: number, truth: number | undefined): void {
    picture.truth = picture.truth.with(task, truth);
    this.changed();
  }

  async setEngine(wish: EngineWish): Promise<void> {
    this.state.wish = wish;
    this.remember(true);
    await this.open();
  }

  async setModel(model: string): Promise<void> {
    this.state.model = model;
    this.state.task = undefined;
    this.state.budget = 0;
    this.remember(true);
    await this.open();
  }

  async add(files: File[], folders: Map<File, string>): Promise<void> {
    const first = await this.gallery.add(files, folders);
    if (first) this.choose(first.id);
  }

  removeOwn(): void {
    this.stopJob();
    this.gallery.removeOwn();
    const first = this.state.pictures[0];
    if (first && !this.picture()) this.choose(first.id);
  }

  /** Tries again what failed. */
  async retry(): Promise<void> {
    if (this.state.broken) await this.open();
    else await this.answer();
  }

  /** Runs the current picture through every level. */
  climb(): Promise<void> {
    const picture = this.picture();
    return this.job("picture", picture ? [picture] : [], this.everySpot());
  }

  /** Runs every picture, or just the visitor's own, through every level. */
  answerAll(which: "all" | "own"): Promise<void> {
    const { pictures } = this.state;
    const wanted = which === "all" ? pictures : pictures.filter((picture) => picture.source === "own");
    return this.job(which === "all" ? "answers" : "own answers", wanted, this.everySpot());
  }

  /** Measures every level. */
  async timeAll(): Promise<void> {
    const spots = this.everySpot();
    this.quiet.stop();
    await this.jobs.run("times", spots.length, async (signal, step) => {
      for (const spot of spots) {
        await this.measure(spot, signal);
        step(1);
      }
    });
    this.quiet.soon();
  }

  stopJob(): void {
    this.jobs.stop();
  }

  // How it comes about.

  /** Makes the page what a link says, from whatever it is. */
  private async follow(moment: Moment): Promise<void> {
    const { state } = this;
    const model = state.models.find((name) => name === moment.model) ?? state.models[0];
    const wish = moment.engine ?? "auto";
    const reopen = model !== state.model || wish !== state.wish || !state.info;
    state.model = model;
    state.wish = wish;
    state.view = moment.view ?? "try";
    if (reopen) await this.open(moment);
    else {
      this.take(moment);
      await this.answer();
    }
  }

  private take(moment: Moment): void {
    const { state } = this;
    if (!state.info) return;
    const task = state.info.tasks.findIndex((task) => task.name === moment.task);
    state.task = task < 0 ? undefined : task;
    state.share = moment.share ?? false;
    state.budget = moment.budget ?? state.budget;
    this.suitBudget();
    // A level of its own is what a budget buys where it is not shared.
    const stop = this.sharing() || !moment.level ? undefined : state.stops[moment.level - 1];
    if (stop) state.budget = stop.parameters;
    const shown = state.pictures.find((picture) => picture.id === moment.image);
    state.current = shown?.id ?? state.current ?? state.pictures[0]?.id;
  }

  /** Brings the slider's stops and the budget to whoever the budget is for. */
  private suitBudget(): void {
    const { state } = this;
    if (!state.info) return;
    state.stops = stops(state.info, this.sharing());
    const least = state.stops[0]?.parameters ?? 0;
    const most = state.stops.at(-1)?.parameters ?? 0;
    state.budget = Math.min(most, Math.max(least, state.budget));
    if (this.sharing()) state.budget = stopFor(state.stops, state.budget).parameters;
  }

  /** Opens the model with the engine that is wished for, and answers; `forget` what another engine or model answered. */
  private async open(moment: Moment = readLink(location.hash), forget = true): Promise<void> {
    const { state, client } = this;
    this.stopJob();
    this.quiet.stop();
    this.wishing.abort();
    state.broken = undefined;
    state.working = true;
    this.changed();
    const base = this.base();
    try {
      const { info, engine } = await client.ask("open", {
        base,
        engine: state.wish,
        record: kept("dvn-kernels"),
        faster: this.contest.verdict(base),
      });
      if (forget) this.forget();
      state.info = info;
      state.engine = engine;
      state.kernels = undefined;
      await this.gallery.suit(info);
      this.take(moment);
      if (state.view !== "try") state.below = true;
      setTimeout(() => this.drawBelow(), PATIENCE);
    } catch (error) {
      const { fault, message } = Fault.of(error);
      state.broken = { fault, message };
      state.working = false;
      this.changed();
      return;
    }
    await this.answer();
  }

  private drawBelow(): void {
    if (this.state.below) return;
    this.state.below = true;
    this.changed();
  }

  /** Answers and times belong to a model and an engine. */
  private forget(): void {
    const { state } = this;
    state.answers.clear();
    state.times.clear();
    state.arriving.clear();
    state.memory = { ...state.memory, files: [], bytes: 0, activationBytes: 0 };
  }

  /**
   * Loads what the budget buys and answers for the current picture, task by task: the first answer waits for its own
   * level only. The newest wish wins.
   */
  private async answer(): Promise<void> {
    const { state, client } = this;
    this.wishing.abort();
    this.wishing = new AbortController();
    const { signal } = this.wishing;
    this.quiet.stop();
    const spots = this.spots();
    const picture = this.picture();
    state.trouble = undefined;
    state.working = true;
    this.changed();
    try {
      // The picture comes beside the files, and all is asked for before the views take their time.
      const looking = picture && this.gallery.look(picture);
      const look = async (spot: Spot) => {
        await looking;
        if (picture) await this.run([picture], spot, signal);
      };
      const keeping = client.ask("keep", { spots }, signal);
      for (const spot of spots) {
        await Promise.all([keeping, client.ask("load", spot, signal), look(spot)]);
        if (signal.aborted) return;
      }
      state.working = false;
      state.below = true;
      this.changed();
      this.quiet.soon();
    } catch (error) {
      if (signal.aborted) return;
      // What else was asked for would only fail again.
      this.wishing.abort();
      const { fault, message } = Fault.of(error);
      state.trouble = { fault, message };
      state.working = false;
      state.arriving.clear();
      this.changed();
    }
  }

  /** Runs those of the pictures that a level has not answered yet. */
  private async run(pictures: Picture[], spot: Spot, signal: AbortSignal): Promise<void> {
    const { state, client } = this;
    const { task, level } = spot;
    const open = pictures.flatMap((picture) => {
      const rgb = picture.seen?.[task];
      return rgb && !state.answers.has(answerKey(picture.id, task, level)) ? [{ picture, rgb }] : [];
    });
    const each = open[0]?.rgb.length;
    if (each === undefined) return;
    const rgb = new Uint8Array(each * open.length);
    for (const [index, one] of open.entries()) rgb.set(one.rgb, index * each);
    const { probabilities } = await client.ask("run", { task, level, rgb, images: open.length }, signal);
    const classes = probabilities.length / open.length;
    for (const [index, { picture }] of open.entries()) {
      const share = probabilities.slice(index * classes, (index + 1) * classes);
      state.answers.set(answerKey(picture.id, task, level), share);
    }
    this.changed();
  }

  /** Measures the levels in use, on both engines where there are two. */
  private async measureQuietly(signal: AbortSignal): Promise<void> {
    if (this.state.working || this.state.job) return;
    const spots = this.spots();
    try {
      for (const spot of spots) await this.measure(spot, signal);
      await this.compare(spots, signal);
    } catch {
      // The level answered a moment ago; if it no longer does, the next answer says why.
    }
  }

  private async measure(spot: Spot, signal: AbortSignal): Promise<void> {
    const { state } = this;
    const key = spotKey(spot.task, spot.level);
    if (state.times.has(key)) return;
    state.times.set(key, await this.stopwatch.time(this.client, spot, this.seen(spot), signal));
    this.changed();
  }

  /** Measures the other engine too where it could run, and changes to it if it is faster. */
  private async compare(spots: Spot[], signal: AbortSignal): Promise<void> {
    const { state } = this;
    const { info, engine } = state;
    if (!info || !engine?.rival) return;
    const timing = ({ task, level }: Spot) => state.times.get(spotKey(task, level));
    const running = { kind: engine.kind, base: this.base(), info, timing };
    const found = await this.contest.hold(running, spots, (spot) => this.seen(spot), signal);
    if (!found || signal.aborted) return;
    const [{ kind, why }, spot, other] = found;
    if (kind === engine.kind) {
      state.engine = { ...engine, why };
    } else {
      // The two agree: what one has answered holds for the other.
      state.times.clear();
      await this.open(undefined, false);
      state.times.set(spotKey(spot.task, spot.level), other);
    }
    this.changed();
  }

  /** The picture as a task's network sees it; a black one where there is none. */
  private seen({ task }: Spot): Uint8Array {
    const size = this.state.info?.tasks[task]?.input.size ?? 0;
    return this.picture()?.seen?.[task] ?? new Uint8Array(size * size * 3);
  }

  /** Where the model is. */
  private base(): string {
    return new URL(`models/${encodeURIComponent(this.state.model ?? "")}/`, document.baseURI).href;
  }

  private everySpot(): Spot[] {
    const tasks = this.state.info?.tasks ?? [];
    return tasks.flatMap((task, index) => task.levels.map(({ level }) => ({ task: index, level })));
  }

  private async job(what: Job["what"], pictures: Picture[], spots: Spot[]): Promise<void> {
    this.quiet.stop();
    await this.jobs.run(what, pictures.length * spots.length, async (signal, step) => {
      for (const picture of pictures) await this.gallery.look(picture);
      for (const spot of spots) {
        for (let at = 0; at < pictures.length; at += CHUNK) {
          const chunk = pictures.slice(at, at + CHUNK);
          await this.run(chunk, spot, signal);
          step(chunk.length);
        }
      }
    });
    this.quiet.soon();
  }

  private onEvent(event: Exclude<FromWorker, { id: number }>): void {
    const { state } = this;
    if (event.kind === "memory") {
      state.memory = event.memory;
      for (const file of event.memory.files) state.arriving.delete(file);
    } else if (event.kind === "kernels") {
      state.kernels = event.kernels;
      keep("dvn-kernels", event.record);
    } else if (event.kind === "engine") {
      state.engine = event.engine;
      state.kernels = undefined;
      state.times.clear();
    } else {
      state.arriving.set(event.file, { received: event.received, total: event.total });
    }
    this.changing();
  }

  /** Puts the moment into the address; `lasting` ones are steps of the browser's Back. */
  private remember(lasting: boolean): void {
    const { state } = this;
    const sharing = this.sharing();
    const stop = sharing ? -1 : state.stops.findIndex((stop) => stop.parameters === state.budget);
    const picture = this.picture();
    const moment: Moment = {};
    if (state.model && state.model !== state.models[0]) moment.model = state.model;
    const task = state.task === undefined ? undefined : state.info?.tasks[state.task];
    if (task) moment.task = task.name;
    moment.share = sharing;
    if (stop >= 0) moment.level = stop + 1;
    else if (state.budget > 0) moment.budget = Math.round(state.budget);
    if (picture?.source === "built-in") moment.image = picture.id;
    moment.view = state.view;
    moment.engine = state.wish;
    const link = writeLink(moment);
    if (link === location.hash) return;
    const address = link || location.pathname + location.search;
    if (lasting) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }
}
