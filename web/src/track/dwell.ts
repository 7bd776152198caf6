/** Time spent on a page: seconds in which it was visible, and of them those with a sign of life. */

import type { Stop, Track } from "../types";

const SIGNS = ["pointermove", "pointerdown", "keydown", "scroll", "touchstart"];
/** A sign of life counts for so many milliseconds. */
const ACTIVE_MS = 5000;

export interface Dwell {
  start(): Stop;
  /** Sends what came together; less than a tenth of a second is no stay. */
  report(): void;
}

/**
 * Each event holds what came since the last one of the same page, so that a page's sum is right
 * however often its tab was hidden.
 */
export function watchDwell(track: Track, clock: () => number = () => performance.now()): Dwell {
  let visible = 0;
  let active = 0;
  let at = 0;
  let activeUntil = 0;
  let wasVisible = false;

  /** Adds the time since the last look. */
  const count = () => {
    const now = clock();
    if (wasVisible) {
      visible += now - at;
      active += Math.max(0, Math.min(now, activeUntil) - at);
    }
    at = now;
  };
  const sign = () => {
    count();
    activeUntil = clock() + ACTIVE_MS;
  };
  const turn = () => {
    count();
    wasVisible = !document.hidden;
  };
  return {
    start() {
      turn();
      for (const name of SIGNS) addEventListener(name, sign, { passive: true, capture: true });
      document.addEventListener("visibilitychange", turn);
      return () => {
        for (const name of SIGNS) removeEventListener(name, sign, { capture: true });
        document.removeEventListener("visibilitychange", turn);
      };
    },
    report() {
      count();
      const seconds = rounded(visible);
      if (seconds > 0) track("dwell", { metadata: { seconds, active_seconds: rounded(active) } });
      visible = active = 0;
    },
  };
}

const rounded = (milliseconds: number) => Math.min(Math.round(milliseconds / 100) / 10, 86_400);
