/** Time spent on a page: seconds in which it was visible, and of them those with a sign of life. */

import type { Stop, Track } from "../types";

const SIGNS = ["pointermove", "pointerdown", "keydown", "scroll", "touchstart"];
/** A sign of life counts for so many milliseconds. */
const ACTIVE_MS = 5000;

/**
 * Each event holds what came since the last one of the same page, so that a page's sum is right
 * however often its tab was hidden.
 */
export class Dwell {
  private visible = 0;
  private active = 0;
  private at = 0;
  private activeUntil = 0;
  private wasVisible = false;

  constructor(
    private readonly track: Track,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  start(): Stop {
    this.at = this.clock();
    this.wasVisible = isVisible();
    const sign = () => this.sign();
    const turn = () => this.turn();
    for (const name of SIGNS) addEventListener(name, sign, { passive: true, capture: true });
    document.addEventListener("visibilitychange", turn);
    return () => {
      for (const name of SIGNS) removeEventListener(name, sign, { capture: true });
      document.removeEventListener("visibilitychange", turn);
    };
  }

  /** Sends what came together; less than a tenth of a second is no stay. */
  report(): void {
    this.count();
    const seconds = rounded(this.visible);
    if (seconds > 0) {
      this.track("dwell", { metadata: { seconds, active_seconds: rounded(this.active) } });
    }
    this.visible = this.active = 0;
  }

  private sign(): void {
    this.count();
    this.activeUntil = this.clock() + ACTIVE_MS;
  }

  private turn(): void {
    this.count();
    this.wasVisible = isVisible();
  }

  /** Adds the time since the last look. */
  private count(): void {
    const now = this.clock();
    if (this.wasVisible) {
      this.visible += now - this.at;
      this.active += Math.max(0, Math.min(now, this.activeUntil) - this.at);
    }
    this.at = now;
  }
}

const isVisible = () => document.visibilityState === "visible";
const rounded = (milliseconds: number) => Math.min(Math.round(milliseconds / 100) / 10, 86_400);
