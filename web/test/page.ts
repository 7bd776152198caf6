/** As much of a page with slots as personalisation needs: its elements show a content themselves. */

import { personaliser } from "../src/personal/personalise";
import { Consent } from "../src/consent";
import type { SlotContent } from "../src/personal/slot";
import type { Details, Options } from "../src/types";
import { browser } from "./browser";

export interface Asked {
  url: string;
  headers: Record<string, string>;
  credentials: string;
  body: Record<string, unknown> & { context?: Record<string, unknown>; slots?: string[] };
}
type Reply = (asked: Asked, signal: AbortSignal) => unknown;

export class FakeSlot {
  dataset: Record<string, string> = {};
  readonly shown: SlotContent[] = [];
  constructor(name: string) {
    this.dataset.spSlot = name;
  }
  querySelector = () => null;
  /** False, as where a page has called `preventDefault`. */
  dispatchEvent({ detail }: { detail: SlotContent }): boolean {
    this.shown.push(detail);
    return false;
  }
}

export class FakeObserver {
  static all: FakeObserver[] = [];
  isOn = true;
  element: unknown;
  constructor(readonly call: (entries: { intersectionRatio: number }[]) => void) {
    FakeObserver.all.push(this);
  }
  observe = (element: unknown) => (this.element = element);
  disconnect = () => (this.isOn = false);
  /** What an observer says of every slot that is looked at. */
  static show(intersectionRatio: number): void {
    for (const one of FakeObserver.all) if (one.isOn) one.call([{ intersectionRatio }]);
  }
}

export class FakeSource {
  static all: FakeSource[] = [];
  isOpen = true;
  onerror = () => {};
  private hear: (event: { data: string }) => void = () => {};
  constructor(readonly url: string) {
    FakeSource.all.push(this);
  }
  addEventListener = (_: string, hear: (event: { data: string }) => void) => (this.hear = hear);
  close = () => (this.isOpen = false);
  say = (value: object) => this.hear({ data: JSON.stringify(value) });
  static get open(): FakeSource[] {
    return FakeSource.all.filter(({ isOpen }) => isOpen);
  }
}

export const ANSWER = { decision_id: "d1", slots: { hero: { content_id: "welcome", format: "json", body: {} } } };
export const API = { api: "https://api.example" };

/** A page with slots; `reply` gives the status of an answer, its body, or throws. */
export function slotPage(names = ["hero"], options: Partial<Options> = {}) {
  const page = browser();
  const slots = names.map((name) => new FakeSlot(name));
  const asked: Asked[] = [];
  const listeners = new Map<string, (() => void)[]>();
  const listen = (name: string, call: () => void) => void listeners.set(name, [...(listeners.get(name) ?? []), call]);
  const state = { reply: (() => ANSWER) as Reply };
  const document = { hidden: false, documentElement: { lang: "en" }, querySelectorAll: () => slots, addEventListener: listen };
  FakeObserver.all = [];
  FakeSource.all = [];
  const fetch = async (url: string, { body, headers, credentials, signal }: RequestInit) => {
    const one = { url, headers, credentials, body: JSON.parse(String(body)) } as Asked;
    asked.push(one);
    const said = await state.reply(one, signal as AbortSignal);
    if (typeof said === "number") return new Response(null, { status: said });
    return new Response(typeof said === "string" ? said : JSON.stringify(said));
  };
  const location = new URL("https://shop.example/item/1?utm_source=news#top");
  const history = { pushState: (_: unknown, __: string, to: string) => (location.href = to), replaceState: () => {} };
  const more = { IntersectionObserver: FakeObserver, EventSource: FakeSource, addEventListener: listen, window: globalThis };
  for (const [name, value] of Object.entries({ ...more, document, fetch, location, history, dataLayer: [] })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const tracked: [string, Details][] = [];
  const consent = new Consent({ key: "k", ...options });
  const track = (type: string, details?: Details) => void tracked.push([type, details ?? {}]);
  const person = personaliser(consent, "https://collect.example", track);
  const fire = (name: string) => listeners.get(name)?.forEach((call) => call());
  return { ...page, ...person, slots, asked, state, consent, tracked, fire, document, history, layer: more };
}
