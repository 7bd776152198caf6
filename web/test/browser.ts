/** As much of a browser as the parts without a page need: storage, address, network. */

export interface Sent {
  url: string;
  body: { events?: { event_id: string }[] } & Record<string, unknown>;
}

class Store {
  private readonly entries = new Map<string, string>();
  isFull = false;
  getItem = (name: string) => this.entries.get(name) ?? null;
  removeItem = (name: string) => void this.entries.delete(name);
  keys = () => [...this.entries.keys()];
  setItem(name: string, value: string): void {
    if (this.isFull) throw new Error("QuotaExceededError");
    this.entries.set(name, value);
  }
}

/** A new browser with nothing stored; `answer` is the network's status, or null for none. */
export function browser() {
  const store = new Store();
  const sent: Sent[] = [];
  const beacons: { url: string; body: Blob }[] = [];
  const state = { answer: 200 as number | null, retryAfter: "", optedOut: false };
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
      sent.push({ url, body: JSON.parse(body) });
      const headers = { "Retry-After": state.retryAfter };
      return new Response(null, { status: state.answer, headers });
    },
  };
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  return { store, sent, beacons, state };
}

let last = 0;
export function event(metadata = {}) {
  last += 1;
  const when = new Date(0).toISOString();
  return { event_id: `e${last}`, event_type: "click", timestamp: when, session_id: "s", context: {}, metadata };
}
