/** How far down a page was seen: one event each at 25, 50, 75 and 100 per cent. */

import type { Stop, Track } from "../types";

const STEPS = [25, 50, 75, 100];

export class ScrollDepth {
  private reached = 0;
  private isWaiting = false;

  constructor(private readonly track: Track) {}

  start(): Stop {
    const listen = () => this.soon();
    addEventListener("scroll", listen, { passive: true });
    return () => removeEventListener("scroll", listen);
  }

  /** A new page begins at its top. */
  reset(): void {
    this.reached = 0;
  }

  /** Measures once per frame at most. */
  private soon(): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.measure();
    });
  }

  private measure(): void {
    const height = document.documentElement.scrollHeight;
    // Pixels may be fractions: a page at its end often lacks one.
    const depth = ((scrollY + innerHeight + 1) / height) * 100;
    for (const step of STEPS.filter((step) => step > this.reached && step <= depth)) {
      this.reached = step;
      this.track("scroll", { metadata: { depth: step } });
    }
  }
}
