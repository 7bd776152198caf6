/** Addresses without what may be personal: no query, no fragment; campaigns are read out of them. */

import { cut } from "./text";

const CAMPAIGN = ["source", "medium", "campaign", "term", "content"];

/** The address without user, query and fragment; "" for none and for a `javascript:` or `mailto:`. */
export function bare(address: string): string {
  try {
    const url = new URL(address, location.href);
    return /^https?:$/.test(url.protocol) ? url.origin + url.pathname : "";
  } catch {
    return "";
  }
}

/** `utm_source` … `utm_content` of an address, those that it has. */
export function campaign(address: string): Record<string, string> {
  const found: Record<string, string> = {};
  const query = new URL(address, location.href).searchParams;
  for (const name of CAMPAIGN) {
    const value = query.get(`utm_${name}`);
    if (value) found[`utm_${name}`] = cut(value, 200);
  }
  return found;
}

export function deviceType(agent = navigator.userAgent): string {
  if (/iPad|Tablet|Android(?!.*Mobile)/.test(agent)) return "tablet";
  return /Mobi|iPhone/.test(agent) ? "mobile" : "desktop";
}
