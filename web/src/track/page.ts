/** Page views, with those of single-page applications, which change the address by `history`. */

import { campaign } from "../address";
import type { Stop, Track } from "../types";

/** `leave` is called while the old page still counts, `arrive` before the new one's page view. */
export function watchPages(track: Track, leave: () => void, arrive: () => void): Stop {
  let address = "";

  const view = () => {
    const now = location.origin + location.pathname + location.search;
    if (now === address) return;
    if (address) leave();
    address = now;
    arrive();
    track("page_view", {
      metadata: { title: document.title.slice(0, 200), ...campaign(location.href) },
    });
  };

  const { pushState, replaceState } = history;
  // The page's own code sets the title after the address: its turn comes first.
  const soon = () => setTimeout(view);
  history.pushState = function (...given) {
    pushState.apply(this, given);
    soon();
  };
  history.replaceState = function (...given) {
    replaceState.apply(this, given);
    soon();
  };
  addEventListener("popstate", soon);
  view();
  return () => {
    removeEventListener("popstate", soon);
    Object.assign(history, { pushState, replaceState });
  };
}
