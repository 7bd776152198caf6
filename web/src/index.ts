/**
 * The SDK as a script: `<script async src="…/sdk/sparkperso.js" data-key="…"></script>`, or without
 * `data-key`, and then `sparkperso.init({key: …})`.
 *
 * What a page calls before the start waits for it: in the array that docs/browser.md's snippet makes
 * before this script has come, and in `tasks` until `init`.
 */

import { startClient, type Client } from "./client";
import { hasOptedOut } from "./consent";
import type { Answer, PersonalizeOptions } from "./personal/personalise";
import { warn } from "./text";
import type { Details, Json, Options, Purpose, Purposes } from "./types";

type Task = (client: Client) => void;
/** A method's name (`track`, `consent.set`) and what it is called with. */
type Call = [name: string, ...given: unknown[]];

const script = document.currentScript as HTMLScriptElement | null;
const home = script?.src ? new URL(script.src).origin : location.origin;
const tasks: Task[] = [];
let client: Client | null = null;

function onceStarted(task: Task): void {
  if (client) task(client);
  else tasks.push(task);
}

/** Does what a page asked for; one call that fails stops no other. */
function attempt(task: () => void): void {
  try {
    task();
  } catch (error) {
    warn(String(error));
  }
}

const sdk = {
  /** Starts; a second call changes nothing. */
  init(options: Options): void {
    if (client) return;
    const started = (client = startClient({ endpoint: home, ...options }));
    for (const task of tasks.splice(0)) attempt(() => task(started));
    dispatchEvent(new Event("sparkperso:ready"));
  },
  get isStarted(): boolean {
    return client !== null;
  },
  track: (type: string, details?: Details): void => onceStarted((it) => it.track(type, details)),
  identify: (userId: string, metadata?: Record<string, Json>): void =>
    onceStarted((it) => it.identify(userId, metadata)),
  reset: (): void => onceStarted((it) => it.reset()),
  /** Fills the page's slots; resolves with the answer, or with null where there is none in time. */
  personalize: (options?: PersonalizeOptions): Promise<Answer | null> =>
    new Promise((done) => onceStarted((it) => done(it.personalize(options)))),
  consent: {
    set: (purposes: Purposes, method?: string): void =>
      onceStarted((it) => it.decide(purposes, method)),
    get: (): Purposes | null => client?.getDecision() ?? null,
    isAllowed: (purpose: Purpose): boolean => client?.isAllowed(purpose) ?? false,
    hasOptedOut: (): boolean => hasOptedOut(),
  },
  flush: async (): Promise<void> => client?.flush(),
  /** Makes a call that waited in the snippet's array, or one of later. */
  push([name, ...given]: Call): void {
    const [first = "", second] = name.split(".");
    const place = (second ? sdk.consent : sdk) as unknown as Record<string, unknown>;
    const method = place[second ?? first];
    if (typeof method === "function") attempt(() => method(...given));
  },
};

export type Sdk = typeof sdk;
declare global {
  interface Window {
    sparkperso: Sdk;
  }
}

const found = window.sparkperso as Sdk | Call[] | undefined;
const there = found && !Array.isArray(found) ? found : null;
const data = script?.dataset ?? {};
if (there) warn("its script is on this page twice, and counts once.");
else window.sparkperso = sdk;
if (data.key) {
  const given = Object.entries(data).filter(([, value]) => value);
  (there ?? sdk).init(Object.fromEntries(given) as unknown as Options);
}
if (Array.isArray(found)) for (const call of found) attempt(() => sdk.push(call));
