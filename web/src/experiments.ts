/**
 * Which variant an id is dealt out to: the hash and the ranges that the API, Spark and GrowthBook's
 * SDKs have. A file of its own, `sdk/sparkperso-experiments.js`, for pages that cannot wait for an
 * answer of `/v1/decide`; a page that can needs none of this.
 */

/** Rules of `GET /api/features/{key}`, as far as an id decides; conditions are GrowthBook's own SDK's. */
export interface ExperimentRule {
  key: string;
  seed?: string;
  weights: number[];
  coverage?: number;
  /** Layer, and the part of it: from, which belongs to it, to, which does not. */
  namespace?: [string, number, number];
  meta?: { key: string }[];
}

const BITS_32 = 0x100000000;
const BUCKETS = 10000;
const LAYER_PARTS = 1000;

/** FNV-1a of 32 bits over UTF-16 code units. */
export function fnv32a(text: string): number {
  let value = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) value = Math.imul(value ^ text.charCodeAt(place), 0x01000193);
  return ((value % BITS_32) + BITS_32) % BITS_32;
}

/** Where a unit stands for a seed, in [0, 1). */
export function shareOf(seed: string, unit: string): number {
  return (fnv32a(`${fnv32a(seed + unit)}`) % BUCKETS) / BUCKETS;
}

/** The place of the variant that a share falls to; null for none. `weights` add up to 1. */
export function variantAt(share: number, weights: number[], coverage = 1): number | null {
  let start = 0;
  for (const [place, weight] of weights.entries()) {
    if (share >= start && share < start + coverage * weight) return place;
    start += weight;
  }
  return null;
}

/** The name of the variant that an experiment deals out to an id, its place without names; null for none. */
export function assign(rule: ExperimentRule, unit: string): string | number | null {
  const [layer, from, to] = rule.namespace ?? ["", 0, 1];
  const part = (fnv32a(`${unit}__${layer}`) % LAYER_PARTS) / LAYER_PARTS;
  if (!unit || part < from || part >= to) return null;
  const place = variantAt(shareOf(rule.seed ?? rule.key, unit), rule.weights, rule.coverage);
  return place === null ? null : (rule.meta?.[place]?.key ?? place);
}
