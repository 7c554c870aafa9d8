// A table that may be wider than the screen: it scrolls by itself, by keyboard too.

import type { ComponentChildren } from "preact";

export function Scroll({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <section class="scroll" aria-label={name} tabIndex={0}>
      {children}
    </section>
  );
}
