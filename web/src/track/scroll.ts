/** How far down a page was seen: one event each at 25, 50, 75 and 100 per cent. */

import type { Stop, Track } from "../types";

const STEPS = [25, 50, 75, 100];

export interface Scroll {
  start(): Stop;
  /** A new page begins at its top. */
  reset(): void;
}

export function watchScroll(track: Track): Scroll {
  let reached = 0;
  let isWaiting = false;

  const measure = () => {
    isWaiting = false;
    const height = document.documentElement.scrollHeight;
    // Pixels may be fractions: a page at its end often lacks one.
    const depth = ((scrollY + innerHeight + 1) / height) * 100;
    for (const step of STEPS.filter((step) => step > reached && step <= depth)) {
      reached = step;
      track("scroll", { metadata: { depth: step } });
    }
  };
  /** Measures once per frame at most. */
  const soon = () => {
    if (!isWaiting) requestAnimationFrame(measure);
    isWaiting = true;
  };
  return {
    start() {
      addEventListener("scroll", soon, { passive: true });
      return () => removeEventListener("scroll", soon);
    },
    reset() {
      reached = 0;
    },
  };
}
