// What was measured of this device, kept for the next visit.

/** What is kept: how fast the graphics processor's kernels are, and which engine is faster. */
type Key = "dvn-kernels" | "dvn-faster";

/** What an earlier visit kept, if it did. */
export function kept(key: Key): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    // The browser keeps nothing for this page: it is measured again at each visit.
    return undefined;
  }
}

export function keep(key: Key, text: string): void {
  try {
    localStorage.setItem(key, text);
  } catch {
    // As above, or no room is left.
  }
}
