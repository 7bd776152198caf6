/** Requests to the collector, and how long to wait after one that failed. */

import type { SentEvent } from "./types";

/** What became of a request: taken, to be sent again, too long, or never to be taken. */
export type Outcome = "taken" | "again" | "shorter" | "never";

const LONGEST_MS = 60_000;
/** Browsers refuse a beacon above 64 KiB. */
const BEACON_BYTES = 60_000;
const TIMEOUT_MS = 15_000;

export class Transport {
  private failures = 0;
  /** Milliseconds since the epoch before which nothing is sent. */
  notBefore = 0;

  constructor(
    private readonly endpoint: string,
    private readonly key: string,
  ) {}

  /** POSTs; after a failure that may pass, `notBefore` doubles from a second to a minute, with jitter. */
  async post(path: string, body: object): Promise<Outcome> {
    let retryAfter = 0;
    try {
      const answer = await this.fetch(path, body);
      const outcome = outcomeOf(answer.status);
      if (outcome !== "again") {
        this.failures = 0;
        return outcome;
      }
      retryAfter = Number(answer.headers.get("Retry-After")) || 0;
    } catch {
      // No network, or no answer in time.
    }
    const pause = Math.min(1000 * 2 ** this.failures++, LONGEST_MS) * (0.5 + Math.random() / 2);
    this.notBefore = Date.now() + Math.max(pause, retryAfter * 1000);
    return "again";
  }

  /** Hands events to the browser, which sends them after the page is gone; gives back those that fit. */
  beacon(events: SentEvent[]): SentEvent[] {
    const some = events.slice(0, fitting(events));
    const url = `${this.endpoint}/v1/events?writeKey=${encodeURIComponent(this.key)}`;
    const body = new Blob([JSON.stringify({ events: some })], { type: "text/plain" });
    const isTaken = some.length > 0 && navigator.onLine !== false && navigator.sendBeacon?.(url, body);
    return isTaken ? some : [];
  }

  private async fetch(path: string, body: object): Promise<Response> {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), TIMEOUT_MS);
    try {
      return await fetch(this.endpoint + path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...body, writeKey: this.key }),
        credentials: "include",
        // A decision must arrive though the page is left right after it.
        keepalive: path === "/v1/consent",
        signal: control.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

export function outcomeOf(status: number): Outcome {
  if (status < 300) return "taken";
  if (status === 413) return "shorter";
  return status === 408 || status === 429 || status >= 500 ? "again" : "never";
}

/** How many of the first events fit into a beacon. */
function fitting(events: SentEvent[]): number {
  let bytes = 20;
  const over = events.findIndex((event) => (bytes += byteLength(event) + 1) > BEACON_BYTES);
  return over < 0 ? events.length : over;
}

function byteLength(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
