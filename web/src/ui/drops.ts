// Pictures that are dropped on the page or pasted into it, folders included.

import { useEffect, useState } from "preact/hooks";
import type { App } from "../app.ts";

/** Files with the name of the folder they lay in, if they lay in one. */
export interface Given {
  files: File[];
  folders: Map<File, string>;
}

/** Listens to the whole window; whether something is being dragged over it. */
export function useDrops(app: App): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer)
        void dropped(event.dataTransfer).then((given) => app.add(given.files, given.folders));
    };
    const onPaste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      void app.add(files, new Map());
    };
    addEventListener("dragover", onOver);
    addEventListener("dragleave", onLeave);
    addEventListener("drop", onDrop);
    addEventListener("paste", onPaste);
    return () => {
      removeEventListener("dragover", onOver);
      removeEventListener("dragleave", onLeave);
      removeEventListener("drop", onDrop);
      removeEventListener("paste", onPaste);
    };
  }, [app]);
  return over;
}

/** The files that an input element was given. */
export function chosen(input: HTMLInputElement): Given {
  const files = [...(input.files ?? [])].filter((file) => !file.name.startsWith("."));
  const folders = new Map<File, string>();
  for (const file of files) {
    const folder = file.webkitRelativePath.split("/").at(-2);
    if (folder) folders.set(file, folder);
  }
  return { files, folders };
}

async function dropped(transfer: DataTransfer): Promise<Given> {
  // The list of items is emptied as soon as this function waits, so all entries are taken at once.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const given: Given = { files: [], folders: new Map() };
  if (entries.every((entry) => !entry)) {
    given.files = [...transfer.files];
    return given;
  }
  for (const entry of entries) if (entry) await collect(entry, undefined, given);
  return given;
}

async function collect(entry: FileSystemEntry, folder: string | undefined, given: Given): Promise<void> {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    given.files.push(file);
    if (folder) given.folders.set(file, folder);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A folder is handed out in parts; an empty part is its end.
    const part = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (part.length === 0) return;
    for (const inner of part) await collect(inner, entry.name, given);
  }
}
