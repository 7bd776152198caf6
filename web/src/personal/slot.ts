/** A slot of the page, `<div data-sp-slot="hero">`: what it shows, in the box that it has. */

import type { Entry } from "../details";
import { nodesOf } from "./html";
import { itemNodes } from "./items";

/** What a slot shows, as the API answers it; `items` may be missing. */
export interface SlotContent extends Entry {
  slot: string;
  decision_id: string;
  format?: unknown;
  body?: unknown;
  items?: Entry[];
}

/** What the page gave a slot, out of the page; and what is shown now, as text. */
interface Filled {
  own: DocumentFragment;
  text: string;
}

const slots = new WeakMap<Element, Filled>();

/**
 * Shows a content in a slot; says whether it does. The page may show it itself: it calls
 * `preventDefault` on the event `sparkperso:slot`, as it has to for JSON.
 */
export function fillSlot(slot: HTMLElement, content: SlotContent): boolean {
  const event = new CustomEvent("sparkperso:slot", { detail: content, bubbles: true, cancelable: true });
  // A heading without the list that belongs below it is nothing.
  const isNothing = content.items ? !content.items[0] : content.body == null;
  if (isNothing || (slot.dispatchEvent(event) && !show(slot, content))) return leaveSlot(slot);
  slot.dataset.spDecision = content.decision_id;
  slot.dataset.spState = "filled";
  return true;
}

/** Has a slot show what the page gave it; says that it shows nothing else. */
export function leaveSlot(slot: HTMLElement): false {
  const filled = slots.get(slot);
  if (filled) slot.replaceChildren(filled.own);
  slots.delete(slot);
  delete slot.dataset.spDecision;
  slot.dataset.spState = "kept";
  return false;
}

/**
 * Shows a copy of what the page gave the slot, in which the list stands in place of its template and of
 * what follows that, and the HTML in `data-sp-body`; without both, it stands instead of everything.
 * Says whether there is something to show.
 */
function show(slot: HTMLElement, { format, body, items }: SlotContent): boolean {
  const filled = slots.get(slot);
  const text = JSON.stringify([body, items]);
  if (filled?.text === text) return true;
  const copy = (filled?.own ?? slot).cloneNode(true) as Element;
  const template = copy.querySelector<HTMLTemplateElement>("template[data-sp-item]");
  const list = template && items ? items.flatMap((item) => itemNodes(template, item)) : [];
  if (format === "html") {
    const head = copy.querySelector("[data-sp-body]") ?? (template ? null : copy);
    head?.replaceChildren(...nodesOf(String(body)));
  } else if (!list[0]) return false;
  while (template?.nextSibling) template.nextSibling.remove();
  template?.replaceWith(...list);
  inBox(slot, () => {
    const own = filled?.own ?? document.createDocumentFragment();
    if (!filled) own.append(...slot.childNodes);
    slot.replaceChildren(...copy.childNodes);
    slots.set(slot, { own, text });
  });
  return true;
}

/**
 * Changes what is in a slot, and not its height: what follows would jump. Below the window it may grow,
 * an empty slot too, and one with `data-sp-fit="grow"`. What does not fit is scrolled.
 */
function inBox(slot: HTMLElement, change: () => void): void {
  const { style, dataset, offsetWidth } = slot;
  const { top, height } = slot.getBoundingClientRect();
  const used = getComputedStyle(slot).height;
  change();
  if (!height || top > innerHeight || dataset.spFit) return;
  const isHeld = style.height === used;
  style.height = used;
  style.overflowY = slot.scrollHeight > slot.clientHeight ? "auto" : "";
  if (isHeld) return;
  // In a box of another width all heights are others.
  const observer = new ResizeObserver(() => {
    if (slot.offsetWidth === offsetWidth) return;
    style.height = style.overflowY = "";
    observer.disconnect();
  });
  observer.observe(slot);
}
