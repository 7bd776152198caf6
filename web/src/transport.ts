/** Requests to the collector, and how long to wait after one that failed. */

import { jsonOf } from "./text";
import type { SentEvent } from "./types";

/**
 * What became of a request: taken; at fault itself, so that it will never be taken as it is; or to be
 * sent again, which holds for all else. A wrong key, an origin that is not allowed or an address where
 * nobody is are put right some day, and the events are still there.
 */
export type Outcome = "taken" | "fault" | "again";

/** What the collector says of one event. */
export interface Result {
  status?: string;
  reason?: string;
  purpose?: string;
  problem?: string;
}
export interface Answer {
  outcome: Outcome;
  status: number;
  /** One per event; none in the answer of another server. */
  results: Result[];
}

const LONGEST_MS = 60_000;
const LONGEST_ASKED_MS = 3_600_000;
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

  get isPaused(): boolean {
    return Date.now() < this.notBefore;
  }

  /** POSTs; after an answer that asks for it to be sent again there is a pause. */
  async post(path: string, body: object): Promise<Answer> {
    try {
      const answer = await this.fetch(path, body);
      const outcome = outcomeOf(answer.status);
      if (outcome === "again") this.pause(Number(answer.headers.get("Retry-After")));
      const { results } = (await answer.json().catch(() => null)) ?? {};
      return { outcome, status: answer.status, results: Array.isArray(results) ? results : [] };
    } catch {
      // No network, or no answer in time.
      this.pause();
      return { outcome: "again", status: 0, results: [] };
    }
  }

  /** What was sent is where it should be: the next pause is a short one again. */
  arrived(): void {
    this.failures = 0;
  }

  /** A pause doubles from a second to a minute, with chance in it, and is never shorter than the answer wants. */
  pause(retryAfter = 0): void {
    const own = pauseOf(this.failures++);
    const asked = Math.min((retryAfter || 0) * 1000, LONGEST_ASKED_MS);
    this.notBefore = Date.now() + Math.max(own, asked);
  }

  /** Hands events to the browser, which sends them after the page is gone; gives back those that fit. */
  beacon(events: SentEvent[]): SentEvent[] {
    const some = events.slice(0, fitting(events));
    if (!some.length || navigator.onLine === false) return [];
    const url = `${this.endpoint}/v1/events?writeKey=${encodeURIComponent(this.key)}`;
    const body = new Blob([jsonOf({ events: some, sent_at: now() })], { type: "text/plain" });
    return navigator.sendBeacon?.(url, body) ? some : [];
  }

  private async fetch(path: string, body: object): Promise<Response> {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), TIMEOUT_MS);
    try {
      // The collector takes the error of this browser's clock from the time of sending.
      return await postJson(this.endpoint + path, { ...body, sent_at: now(), writeKey: this.key }, {
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

export function postJson(url: string, body: object, more: RequestInit): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...more.headers };
  return fetch(url, { method: "POST", body: jsonOf(body), credentials: "omit", ...more, headers });
}

/** Milliseconds to wait after so many failures before. */
export function pauseOf(failures: number): number {
  return Math.min(1000 * 2 ** failures, LONGEST_MS) * (0.5 + Math.random() / 2);
}

export function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return "taken";
  return [400, 413, 415, 422].includes(status) ? "fault" : "again";
}

const now = () => new Date().toISOString();

/** How many of the first events fit into a beacon. */
function fitting(events: SentEvent[]): number {
  let bytes = 60;
  const over = events.findIndex((event) => (bytes += byteLength(event) + 1) > BEACON_BYTES);
  return over < 0 ? events.length : over;
}

function byteLength(value: unknown): number {
  return new TextEncoder().encode(jsonOf(value)).length;
}
