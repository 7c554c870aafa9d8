// The pictures: the built-in ones, and those the visitor gives.

import type { Client } from "./client.ts";
import { labelsFor } from "./logic/labels.ts";
import { counted } from "./logic/words.ts";
import type { Picture, State } from "./state.ts";
import { Fault } from "./worker/protocol.ts";
import type { ModelInfo } from "./worker/surface.ts";

/** So many of the visitor's pictures at most: each is kept in memory. */
const MOST = 500;

interface StripEntry {
  file: string;
  label: string;
}

export class Gallery {
  private given = 0;
  /** What the pictures were made to fit: classes and sizes. */
  private tasks = "";
  private readonly strip = builtIn();

  constructor(
    private readonly state: State,
    private readonly client: Client,
    private readonly changed: () => void,
  ) {}

  /** Makes the pictures fit a model that was just opened. */
  async suit(info: ModelInfo): Promise<void> {
    const tasks = JSON.stringify(info.tasks.map(({ classes, input }) => [classes, input.size]));
    if (tasks === this.tasks) return;
    this.tasks = tasks;
    const own = this.state.pictures.filter((picture) => picture.source === "own");
    for (const picture of own) {
      delete picture.seen;
      picture.truth = picture.label ? labelsFor(info.tasks, picture.label) : info.tasks.map(() => undefined);
    }
    const strip = (await this.strip).map(
      ({ file, label }): Picture => ({
        id: file,
        name: file,
        source: "built-in",
        address: new URL(`strip/${encodeURIComponent(file)}`, document.baseURI).href,
        label,
        truth: labelsFor(info.tasks, label),
      }),
    );
    this.state.pictures = [...own, ...strip];
    if (!this.state.pictures.some((picture) => picture.id === this.state.current)) {
      this.state.current = undefined;
    }
  }

  /** Takes the visitor's files, most wanted first; the first usable one. */
  async add(files: File[], folders: Map<File, string>): Promise<Picture | undefined> {
    const { state } = this;
    const room = MOST - state.pictures.filter((picture) => picture.source === "own").length;
    const tasks = state.info?.tasks ?? [];
    const added = files.slice(0, Math.max(0, room)).map((file): Picture => {
      this.given += 1;
      const folder = folders.get(file);
      return {
        id: `own-${this.given}`,
        name: file.name || `picture ${this.given}`,
        source: "own",
        address: URL.createObjectURL(file),
        truth: folder ? labelsFor(tasks, folder) : tasks.map(() => undefined),
        ...(folder ? { label: folder } : {}),
      };
    });
    state.pictures = [...added, ...state.pictures];
    this.changed();
    for (const picture of added) await this.look(picture);
    const good = added.filter((picture) => !picture.fault);
    state.notice = this.report(files, added, good, room);
    for (const picture of added) if (picture.fault) URL.revokeObjectURL(picture.address);
    state.pictures = state.pictures.filter((picture) => !picture.fault);
    this.changed();
    return good[0];
  }

  /** Forgets the visitor's pictures. */
  removeOwn(): void {
    const { state } = this;
    for (const picture of state.pictures) {
      if (picture.source === "own") URL.revokeObjectURL(picture.address);
    }
    state.pictures = state.pictures.filter((picture) => picture.source !== "own");
    state.notice = undefined;
    this.changed();
  }

  /** Decodes a picture, if that has not been done. */
  async look(picture: Picture): Promise<void> {
    if (picture.seen || picture.fault) return;
    try {
      const { address, name } = picture;
      const sizes = (this.state.info?.tasks ?? []).map((task) => task.input.size);
      const seen = await this.client.ask("see", { address, name, sizes });
      picture.seen = seen.map(({ rgb }) => rgb);
      if (seen[0]) {
        picture.width = seen[0].width;
        picture.height = seen[0].height;
      }
    } catch (error) {
      picture.fault = Fault.of(error).message;
    }
    this.changed();
  }

  private report(files: File[], added: Picture[], good: Picture[], room: number): string | undefined {
    const parts: string[] = [];
    const bad = added.filter((picture) => picture.fault);
    for (const picture of bad.slice(0, 3)) parts.push(`${picture.name}: ${picture.fault}`);
    if (bad.length > 3) parts.push(`${counted(bad.length - 3, "more file")} could not be used either.`);
    if (files.length > room) parts.push(`Only ${MOST} pictures fit; ${files.length - room} were left out.`);
    const unmatched = good.filter((picture) => picture.label && picture.truth.every((t) => t === undefined));
    const names = [...new Set(unmatched.map((picture) => picture.label))];
    if (names.length > 0) parts.push(`No class is called ${names.slice(0, 3).join(", ")}.`);
    if (parts.length > 0 && good.length > 0) parts.unshift(`${counted(good.length, "picture")} added.`);
    return parts.length > 0 ? parts.join(" ") : undefined;
  }
}

/** The list of the built-in pictures. */
async function builtIn(): Promise<StripEntry[]> {
  try {
    const answer = await fetch(new URL("strip/strip.json", document.baseURI));
    return answer.ok ? ((await answer.json()) as StripEntry[]) : [];
  } catch {
    // The visitor's own pictures still work.
    return [];
  }
}
