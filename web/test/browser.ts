/** As much of a browser as the parts without a page need: storage, address, network. */

import { remove } from "../src/store";

export interface Sent {
  url: string;
  body: { events?: { event_id: string }[] } & Record<string, unknown>;
}
type Judge = (event: { event_id: string; event_type: string }) => object;

class Store {
  private readonly entries = new Map<string, string>();
  isFull = false;
  isForbidden = false;
  getItem = (name: string) => {
    this.allow();
    return this.entries.get(name) ?? null;
  };
  removeItem = (name: string) => {
    this.allow();
    this.entries.delete(name);
  };
  keys = () => [...this.entries.keys()];
  setItem(name: string, value: string): void {
    this.allow();
    if (this.isFull) throw new Error("QuotaExceededError");
    this.entries.set(name, value);
  }
  private allow(): void {
    if (this.isForbidden) throw new Error("SecurityError");
  }
}

/**
 * A new browser with nothing stored. `answer` is the network's status, or null for none; with 200 the
 * collector judges each event, and takes it unless `judge` says otherwise.
 */
export function browser() {
  const store = new Store();
  const sent: Sent[] = [];
  const beacons: { url: string; body: Blob }[] = [];
  const accept: Judge = () => ({ status: "accepted" });
  const state = {
    answer: 200 as number | null,
    retryAfter: "",
    optedOut: false,
    judge: accept,
    /** The answer to a body's text, before its events are looked at. */
    look: (_: string): number | null => null,
  };
  const warnings: string[] = [];
  const values = {
    localStorage: store,
    location: new URL("https://shop.example/item/1?utm_source=news&email=a@b.example#top"),
    navigator: {
      onLine: true,
      userAgent: "Mozilla/5.0 (X11; Linux x86_64)",
      get globalPrivacyControl() {
        return state.optedOut;
      },
      sendBeacon: (url: string, body: Blob) => beacons.push({ url, body }) > 0,
    },
    fetch: async (url: string, { body }: { body: string }) => {
      if (state.answer === null) throw new TypeError("Failed to fetch");
      const said = JSON.parse(body);
      sent.push({ url, body: said });
      const results = said.events?.map(state.judge);
      const status = state.look(body) ?? state.answer;
      const headers = { "Retry-After": state.retryAfter };
      return new Response(status === 200 ? JSON.stringify({ results }) : null, { status, headers });
    },
    console: { ...console, warn: (text: string) => warnings.push(text) },
  };
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  remove("consent", "delivered", "queue", "session", "id", "user");
  return { store, sent, beacons, state, warnings };
}

let last = 0;
export function event(metadata = {}) {
  last += 1;
  const when = new Date(0).toISOString();
  return { event_id: `e${last}`, event_type: "click", timestamp: when, session_id: "s", context: {}, metadata };
}
