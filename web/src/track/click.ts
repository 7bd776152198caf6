/** Clicks on what can be clicked: links, buttons, and what a page marks with `data-track`. */

import { bare } from "../address";
import type { Details, Stop, Track } from "../types";

const CLICKABLE = "a[href],button,[role=button],input[type=submit],summary,[data-track]";
/** Nothing inside is read. */
export const PRIVATE = "[data-private]";

export function watchClicks(track: Track): Stop {
  const listen = (event: Event) => {
    const target = event.target instanceof Element ? event.target.closest(CLICKABLE) : null;
    if (target) track("click", describe(target));
  };
  document.addEventListener("click", listen, true);
  return () => document.removeEventListener("click", listen, true);
}

/** Its name (`data-track`), tag, id, text, and where it leads; of an input no value. */
export function describe(target: Element): Details {
  const isPrivate = target.closest(PRIVATE) !== null;
  const text = isPrivate ? "" : (target.textContent ?? "").replace(/\s+/g, " ").trim().slice(0, 80);
  const href = target instanceof HTMLAnchorElement ? bare(target.href) : "";
  const name = target.getAttribute("data-track") ?? "";
  const tag = target.tagName.toLowerCase();
  const known = Object.entries({ name, tag, id: target.id, text, href }).filter(([, value]) => value);
  const item = itemOf(target);
  return { metadata: Object.fromEntries(known), ...(item && { item_id: item }) };
}

/** The nearest `data-item-id` around an element. */
function itemOf(target: Element): string {
  return target.closest("[data-item-id]")?.getAttribute("data-item-id") ?? "";
}
