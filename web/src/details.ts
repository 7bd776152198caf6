/** What pages and data layers say of an event → its typed fields, and metadata for the rest. */

import type { Details, Json } from "./types";

export type Entry = Record<string, unknown>;
/** Texts of at most so many characters are ids; longer ones stay in metadata. */
const LONGEST = 512;

/** Fits what can be fitted, numbers given as text too; what cannot stays as it is, in metadata. */
export function fitted(given: Entry): Details {
  const { item_id, value, currency, metadata, ...rest } = given;
  const fields: Entry = { item_id: textOf(item_id), value: numberOf(value), currency: textOf(currency) };
  const others: Entry = { ...rest, ...(isEntry(metadata) ? metadata : metadata ? { metadata } : {}) };
  for (const [name, fit] of Object.entries(fields)) {
    if (fit !== undefined) continue;
    delete fields[name];
    const unfit = given[name];
    if (unfit !== "" && unfit != null) others[name in others ? `raw_${name}` : name] = unfit;
  }
  return { ...fields, metadata: others as Record<string, Json> };
}

/**
 * A number, or a text that is one, with a point for its decimals, as in the collector's own routes: a
 * comma is a thousand's in one country and a decimal's in another, and `1,299` no number here.
 */
export function numberOf(value: unknown): number | undefined {
  const isText = typeof value === "string" && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value);
  const number = typeof value === "number" ? value : isText ? Number(value) : NaN;
  return isFinite(number) ? number : undefined;
}

function textOf(value: unknown): string | undefined {
  const text = typeof value === "number" && isFinite(value) ? String(value) : value;
  return typeof text === "string" && text && text.length <= LONGEST ? text : undefined;
}

export function isEntry(value: unknown): value is Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
