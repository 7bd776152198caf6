/** Page views, with those of single-page applications, which change the address by `history`. */

import { campaign } from "../address";
import { cut } from "../text";
import type { Stop, Track } from "../types";
import { pageAddress, watchRoutes } from "../wrap";

/** So long a page may take until it has its title; and so long until that is its last one. */
const LONGEST_MS = 1000;
const SETTLED_MS = 50;

export interface Pages {
  /** Sends the page view that waits for its title: the page is about to go. */
  settle(): void;
  stop: Stop;
}

/**
 * `leave` is called while the old page still counts, `arrive` before the new one's page view, with
 * true for a page that only sent on to another.
 *
 * A page sets its title after its address, and at the first view after this script: a page view waits
 * for it, with the time at which its page came.
 */
export function watchPages(track: Track, leave: () => void, arrive: (isSentOn: boolean) => void): Pages {
  let address = "";
  let title = "";
  let waiting: { timestamp: string; timer?: ReturnType<typeof setTimeout> } | null = null;

  const settle = (last = document.title) => {
    if (!waiting) return;
    const { timestamp, timer } = waiting;
    clearTimeout(timer);
    waiting = null;
    observer.disconnect();
    track("page_view", { timestamp, metadata: { title: cut(last, 200), ...campaign(address) } });
  };
  const wait = (milliseconds: number) => {
    if (!waiting) return;
    clearTimeout(waiting.timer);
    waiting.timer = setTimeout(() => settle(), milliseconds);
  };
  const observer = new MutationObserver(() => {
    if (document.title === title) return;
    title = document.title;
    wait(SETTLED_MS);
  });
  const look = (isReplaced: boolean) => {
    const now = pageAddress();
    if (now === address) return;
    const isSentOn = isReplaced && waiting !== null;
    if (!isSentOn) {
      // The title that the old page had: the new one may have set its own before the address.
      settle(title);
      if (address) leave();
      waiting = { timestamp: new Date().toISOString() };
      observer.observe(document.head, { subtree: true, childList: true, characterData: true });
    }
    [address, title] = [now, document.title];
    arrive(isSentOn);
    wait(LONGEST_MS);
  };

  const unwatch = watchRoutes(look);
  look(false);
  const stop = () => {
    unwatch();
    waiting = null;
    observer.disconnect();
  };
  return { settle: () => settle(), stop };
}
