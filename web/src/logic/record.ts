// What was measured of the graphics processor, kept for the next visit.

const KEY = "dvn-kernels";

/** The record of an earlier visit, if there is one. */
export function keptRecord(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    // The browser keeps nothing for this page: it is measured again at each visit.
    return undefined;
  }
}

export function keepRecord(record: string): void {
  try {
    localStorage.setItem(KEY, record);
  } catch {
    // As above, or no room is left.
  }
}
