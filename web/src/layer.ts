/** The data layer, `window.dataLayer`: what a tag manager pushes comes in, what was tracked goes out. */

import { fitted, isEntry, numberOf, type Entry } from "./details";
import type { Details, Stop, Track } from "./types";
import { wrap } from "./wrap";

declare global {
  interface Window {
    dataLayer?: unknown[];
  }
}

const OWN = "sparkperso.";
/** The usual names (GA4's of e-commerce) → ours; ours stand for themselves. */
const TYPES: Record<string, string> = {
  view_item: "item_view",
  add_to_cart: "add_to_cart",
  remove_from_cart: "remove_from_cart",
  purchase: "purchase",
  refund: "refund",
  search: "search",
  item_view: "item_view",
  rating: "rating",
};

const SALES = new Set(["purchase", "refund"]);

/** How many of the entries are done with. */
let done = 0;

/** What was pushed until now is never read: its person had said no. */
export function skipLayer(): void {
  done = window.dataLayer?.length ?? 0;
}

/** Reads what was pushed before, each entry once, and what will be. */
export function readLayer(track: Track, more: Record<string, string> = {}): Stop {
  const layer = (window.dataLayer ??= []);
  if (!Array.isArray(layer)) return () => {};
  const types = new Map(Object.entries({ ...TYPES, ...more }));
  const take = (entry: unknown) => {
    for (const [type, details] of eventsOf(entry, types)) track(type, details);
  };
  const unread = layer.slice(done);
  skipLayer();
  unread.forEach(take);
  return wrap(layer, "push", (entries) => {
    skipLayer();
    entries.forEach(take);
  });
}

/** Tells a tag manager: `{event: "sparkperso.click", sparkperso: {…}}`. Its faults are not ours. */
export function tellLayer(name: string, content: object): void {
  try {
    (window.dataLayer ??= []).push({ event: OWN + name, sparkperso: content });
  } catch {
    // No array, or a tag manager that failed.
  }
}

/** The events of one entry: one per item of GA4's `ecommerce.items`, else one. */
export function eventsOf(entry: unknown, types: Map<string, string>): [string, Details][] {
  const type = isEntry(entry) ? types.get(String(entry.event)) : undefined;
  if (!isEntry(entry) || !type) return [];
  const { event: _, ecommerce, metadata, ...rest } = entry;
  const shop = isEntry(ecommerce) ? ecommerce : {};
  const { items, transaction_id, ...order } = shop;
  // A list that PHP wrote may have come as an object: {0: …, 2: …}.
  const bought = Object.values((items ?? {}) as object).filter(isEntry);
  const more = transaction_id === undefined ? {} : { order_id: transaction_id };
  // Of several items of a sale that have no price, only the order as a whole has a worth.
  const isWhole =
    SALES.has(type) && bought.length > 1 && numberOf(order.value) !== undefined && !bought.some(isPriced);
  if (bought.length && !isWhole) {
    const value = bought.length === 1 ? order.value : undefined;
    return bought.map((item) => [type, ofItem(item, { value, currency: order.currency }, more)]);
  }
  const listed = isWhole ? { items: bought.map(plain) } : {};
  const own = { ...plain(order), ...plain(rest), ...more, ...listed };
  return [[type, fitted(isEntry(metadata) ? { ...fitting(own), metadata } : own)]];
}

const isPriced = ({ price }: Entry) => numberOf(price) !== undefined;

/**
 * An item's value is its price times its quantity: a purchase is one event per line. An only item whose
 * price is not known is worth what its order is.
 */
function ofItem(item: Entry, whole: Entry, order: Entry): Details {
  const { item_id, price, quantity = 1, ...rest } = item;
  const [each, count] = [numberOf(price), numberOf(quantity)];
  const isKnown = each !== undefined && count !== undefined;
  const value = isKnown ? Math.round(each * count * 100) / 100 : whole.value;
  // A price that cannot be read is kept as it came.
  const left = isKnown || price === undefined ? {} : { price };
  const metadata = { ...plain(rest), ...left, quantity: count ?? quantity, ...order };
  return fitted({ item_id, value, currency: item.currency ?? whole.currency, metadata });
}

/** The typed fields alone: an entry that brings its metadata says itself what belongs there. */
const fitting = ({ item_id, value, currency }: Entry): Entry => ({ item_id, value, currency });

/** What of an entry is text, number or truth value: the rest may be elements and functions. */
function plain(entry: Entry): Entry {
  const isPlain = (value: unknown) => /^(string|number|boolean)$/.test(typeof value);
  return Object.fromEntries(
    Object.entries(entry).filter(([name, value]) => isPlain(value) && !name.startsWith("gtm.")),
  );
}
