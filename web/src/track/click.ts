/** Clicks on what can be clicked: links, buttons, and what a page marks with `data-track`. */

import { bare } from "../address";
import { cut } from "../text";
import type { Details, Stop, Track } from "../types";

const CLICKABLE = "a[href],button,[role=button],input[type=submit],summary,[data-track]";
/** Nothing inside is read. */
export const PRIVATE = "[data-private]";
/** Text that a person typed or chose, or that no person sees. */
const UNREAD = `${PRIVATE},[contenteditable]:not([contenteditable=false]),textarea,select,script,style`;
const LONGEST = 80;

export function watchClicks(track: Track): Stop {
  const listen = (event: Event) => {
    const target = event.target instanceof Element ? event.target.closest(CLICKABLE) : null;
    if (target) track("click", describe(target));
  };
  document.addEventListener("click", listen, true);
  return () => document.removeEventListener("click", listen, true);
}

/**
 * Its name (`data-track`), tag, id, text, and where it leads; of an input no value. In a slot that was
 * filled, its decision and slot.
 */
export function describe(target: Element): Details {
  const name = target.getAttribute("data-track") ?? "";
  const tag = target.tagName.toLowerCase();
  const slot = target.closest<HTMLElement>("[data-sp-decision]")?.dataset;
  const shown = { ...(slot && { decision_id: slot.spDecision, slot: slot.spSlot }) };
  if (target.closest(PRIVATE)) return { metadata: { ...(name && { name }), tag, ...shown } as never };
  const href = target instanceof HTMLAnchorElement ? bare(target.href) : "";
  const text = textOf(target);
  const known = Object.entries({ name, tag, id: target.id, text, href }).filter(([, value]) => value);
  const item = itemOf(target);
  return { metadata: { ...Object.fromEntries(known), ...shown } as never, ...(item && { item_id: item }) };
}

/** The first words of an element, without what is private inside it. */
function textOf(target: Element): string {
  const walker = document.createTreeWalker(target, NodeFilter.SHOW_TEXT);
  let text = "";
  while (text.trim().length <= LONGEST && walker.nextNode()) {
    const { parentElement, nodeValue } = walker.currentNode;
    if (!parentElement?.closest(UNREAD)) text = `${text}${nodeValue}`.replace(/\s+/g, " ");
  }
  return cut(text.trim(), LONGEST);
}

/** The nearest `data-item-id` around an element. */
function itemOf(target: Element): string {
  return target.closest("[data-item-id]")?.getAttribute("data-item-id") ?? "";
}
