/** The data layer, `window.dataLayer`: what a tag manager pushes comes in, what was tracked goes out. */

import type { Details, Json, Stop, Track } from "./types";

type Entry = Record<string, unknown>;
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

/** How many of the entries are done with. */
let done = 0;

/** What was pushed until now is never read: its person had said no. */
export function skipLayer(): void {
  done = window.dataLayer?.length ?? 0;
}

/** Reads what was pushed before, each entry once, and what will be. */
export function readLayer(track: Track, more: Record<string, string> = {}): Stop {
  const layer = (window.dataLayer ??= []);
  const types = new Map(Object.entries({ ...TYPES, ...more }));
  const take = (entry: unknown) => {
    for (const [type, details] of eventsOf(entry, types)) track(type, details);
  };
  const unread = layer.slice(done);
  skipLayer();
  unread.forEach(take);
  // A tag manager may have put its own push here: it is called, and given back, as it was.
  const push = layer.push;
  layer.push = (...entries: unknown[]) => {
    const length = push.apply(layer, entries);
    skipLayer();
    entries.forEach(take);
    return length;
  };
  return () => {
    layer.push = push;
  };
}

/** Tells a tag manager: `{event: "sparkperso.click", sparkperso: {…}}`. */
export function tellLayer(name: string, content: object): void {
  (window.dataLayer ??= []).push({ event: OWN + name, sparkperso: content });
}

/** The events of one entry: one per item of GA4's `ecommerce.items`, else one. */
export function eventsOf(entry: unknown, types: Map<string, string>): [string, Details][] {
  const type = isEntry(entry) ? types.get(String(entry.event)) : undefined;
  if (!isEntry(entry) || !type) return [];
  const shop = isEntry(entry.ecommerce) ? entry.ecommerce : null;
  const items = shop && Array.isArray(shop.items) ? shop.items.filter(isEntry) : [];
  if (items.length) return items.map((item) => [type, ofItem(item, shop as Entry)]);
  const { event: _, ecommerce: __, metadata, item_id, value, currency, ...rest } = entry;
  const own = isEntry(metadata) ? metadata : plain(rest);
  return [[type, details(item_id, value, currency, own)]];
}

/** An item's value is its price times its quantity: a purchase is one event per line. */
function ofItem(item: Entry, shop: Entry): Details {
  const { item_id, price, quantity, ...rest } = item;
  const count = typeof quantity === "number" ? quantity : 1;
  const value = typeof price === "number" ? Math.round(price * count * 100) / 100 : undefined;
  const order = shop.transaction_id === undefined ? {} : { order_id: shop.transaction_id };
  const metadata = { ...plain(rest), quantity: count, ...order };
  return details(item_id, value, item.currency ?? shop.currency, metadata);
}

function details(item: unknown, value: unknown, currency: unknown, metadata: Entry): Details {
  return {
    ...((typeof item === "string" || typeof item === "number") && { item_id: String(item) }),
    ...(typeof value === "number" && { value }),
    ...(typeof currency === "string" && { currency }),
    metadata: metadata as Record<string, Json>,
  };
}

/** What of an entry is text, number or truth value: the rest may be elements and functions. */
function plain(entry: Entry): Entry {
  const isPlain = (value: unknown) => /^(string|number|boolean)$/.test(typeof value);
  return Object.fromEntries(
    Object.entries(entry).filter(([name, value]) => isPlain(value) && !name.startsWith("gtm.")),
  );
}

function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
