/** Fills the page's slots with what the personalisation API shows this person. */

import { deviceType } from "../address";
import type { Consent } from "../consent";
import { isEntry, type Entry } from "../details";
import { tellLayer } from "../layer";
import { knownId } from "../session";
import { read } from "../store";
import { warn } from "../text";
import { postJson } from "../transport";
import type { Json, Stop, Track } from "../types";
import { pageAddress, watchRoutes } from "../wrap";
import { whenSeen } from "./exposure";
import { fillSlot, leaveSlot, type SlotContent } from "./slot";
import { segmentStream } from "./stream";

/** What a request says of the page: `in_view`, `cart`, `recent`, `language` and others (docs/rules.md). */
export type Context = Record<string, Json>;

export interface PersonalizeOptions {
  /** Names of slots; by default those that the page has. */
  slots?: string[];
  /** Beside `page`, `device_type` and `language`, which are known; a function is called each time. */
  context?: Context | (() => Context);
  /** So many milliseconds after the call a slot keeps what it has (800). */
  timeout?: number;
  /** Address of the API; by default that of the collector. */
  api?: string;
  /** A token for the API; or the address of the site's own route that gives one, `{token, expires_at}`. */
  token?: string;
  tokenUrl?: string;
  /** Without consent to personalisation: what everybody is shown (default), or the page's own. */
  whenRefused?: "unpersonalised" | "nothing";
  /** Called with the ids of the person's segments, at first and at each change. */
  onSegments?: (segments: string[]) => void;
  /** `false`: changes of segments are not followed. */
  live?: boolean;
}

/** The API's answer; null where there is none that can be shown. */
export interface Answer {
  decision_id: string;
  slots: Record<string, SlotContent>;
  segments?: unknown;
}

export interface Personaliser {
  /** Fills the slots now; without options, as the last time. Never fails. */
  personalize(options?: PersonalizeOptions): Promise<Answer | null>;
  /** Fills the slots again if somebody else is there, or another decision on consent. */
  meet(): void;
}

type Person = { user_id?: unknown; anonymous_id?: unknown };
interface Token {
  text: unknown;
  /** Whom it is for; null: nobody. */
  person: Person | null;
  /** Whom it was asked for, and until when it is good, in seconds since the epoch. */
  key?: string;
  until?: number;
}

const TIMEOUT_MS = 800;
const SETTLE_MS = 50;
const PUSHED_MS = 300;
const LEEWAY_S = 10;
const NOBODY = "null";

export function personaliser(consent: Consent, endpoint: string, track: Track): Personaliser {
  let options: PersonalizeOptions = {};
  let control = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let token: Token | null = null;
  let page = pageAddress();
  /** Who was asked for last, and whose stream is followed. */
  let asked = "";
  let followed = NOBODY;
  /** The segments that were told. */
  let known = "[]";
  const stops: Stop[] = [];

  /** The person by the SDK's ids, by one of them, since a token is for one, as JSON; nobody without consent. */
  const personNow = () => {
    const [user_id, anonymous_id] = [read("user"), knownId()];
    const isAllowed = consent.isAllowed("personalisation");
    return JSON.stringify(isAllowed ? (user_id ? { user_id } : anonymous_id ? { anonymous_id } : {}) : null);
  };

  const personalize = async (given = options): Promise<Answer | null> => {
    options = given;
    control.abort();
    clearTimeout(timer);
    const own = (control = new AbortController());
    setTimeout(() => own.abort(), options.timeout ?? TIMEOUT_MS);
    const names = new Set(options.slots ?? slotsNow().map(nameOf));
    const key = (asked = personNow());
    const isWanted = names.size && (key !== NOBODY || options.whenRefused !== "nothing");
    const answer = isWanted ? await ask([...names], key) : null;
    // A later call has taken this one's place.
    if (control !== own) return null;
    rest();
    for (const slot of slotsNow()) if (names.has(nameOf(slot))) fill(slot, answer, names);
    if (answer) tell(answer);
    follow(key);
    return answer;
  };

  const again = (milliseconds = SETTLE_MS) => {
    clearTimeout(timer);
    timer = setTimeout(() => personalize(), milliseconds);
  };

  const ask = async (slots: string[], key: string): Promise<Answer | null> => {
    const { signal } = control;
    try {
      const { text, person } = await tokenFor(key, signal);
      const { context, api = endpoint } = options;
      const page = { page: location.pathname, device_type: deviceType(), language: document.documentElement.lang };
      const more = typeof context === "function" ? context() : context;
      const headers = text ? { Authorization: `Bearer ${text}` } : {};
      const body = { slots, context: { ...page, ...more }, ...person };
      const answer = await entryOf(postJson(`${api}/v1/personalize`, body, { signal, headers }));
      if (isEntry(answer.slots) && answer.decision_id) return answer as unknown as Answer;
      throw "no answer of the API";
    } catch (error) {
      token = null;
      // Of a call that is over, or took too long, nothing need be said.
      if (!signal.aborted) warn(`slots keep what they have: ${error}`);
      return null;
    }
  };

  /** The token of the person whom the site's route knows, kept while it is good. */
  const tokenFor = async (key: string, signal: AbortSignal | null = null): Promise<Token> => {
    const person = JSON.parse(key) as Person | null;
    if (!options.tokenUrl) return { text: options.token, person };
    if (token?.key === key && Date.now() / 1000 < (token.until ?? 0)) return token;
    // Without consent, the route is not to know anybody by a cookie.
    const answer = postJson(options.tokenUrl, person ?? {}, { signal, credentials: person ? "include" : "omit" });
    const { token: text, expires_at, user_id, anonymous_id } = await entryOf(answer);
    const named = user_id || anonymous_id ? { user_id, anonymous_id } : person;
    return (token = { text, person: person && named, until: (expires_at as number) - LEEWAY_S, key });
  };

  const fill = (slot: HTMLElement, answer: Answer | null, unseen: Set<string>) => {
    const name = nameOf(slot);
    const content = { ...answer?.slots[name], slot: name, decision_id: answer?.decision_id ?? "" };
    try {
      if (fillSlot(slot, content)) stops.push(whenSeen(slot, () => unseen.delete(name) && expose(content)));
    } catch (error) {
      warn(`slot ${name}: ${error}`);
      leaveSlot(slot);
    }
  };

  const expose = ({ decision_id, slot, content_id, variant, rule, items, experiments }: SlotContent) => {
    const item_ids = items?.map((item) => item.item_id);
    const seen = Object.entries(experiments ?? {});
    // Each experiment counts an exposure of its own; without any there is one.
    for (const [experiment, arm] of seen[0] ? seen : [[, variant]]) {
      track("exposure", { metadata: { decision_id, slot, content_id, variant: arm, rule, item_ids, experiment } as never });
    }
  };

  /** Waits for no exposure any more. */
  const rest = () => {
    for (const stop of stops.splice(0)) stop();
  };

  /** Tells page and data layer of the person's segments; says whether they are others than before. */
  const tell = ({ segments = [] }: { segments?: unknown }) => {
    const told = personNow() === NOBODY ? [] : segments;
    const text = JSON.stringify(told);
    if (text === known) return false;
    known = text;
    tellLayer("segments", { segments: told });
    try {
      options.onSegments?.(told as string[]);
    } catch (error) {
      warn(String(error));
    }
    return true;
  };

  const stream = segmentStream((said) => tell(JSON.parse(said)) && again(PUSHED_MS));

  /** Follows a person's stream, unless it is followed already, or the site's route knows no user. */
  const follow = (key: string) => {
    const { api = endpoint, live } = options;
    const wanted = token?.person?.user_id && live !== false ? key : NOBODY;
    if (wanted === followed) return;
    followed = wanted;
    stream(wanted === NOBODY ? null : async () => `${api}/v1/stream?token=${(await tokenFor(key)).text}`);
  };

  watchRoutes(() => {
    if (page !== pageAddress()) again();
    page = pageAddress();
  });
  // A browser has six connections to a server of HTTP/1.1, for all its tabs; and nobody sees a hidden one.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return again();
    rest();
    token = null;
    follow(NOBODY);
  });
  return {
    personalize,
    meet: () => personNow() !== asked && again(),
  };
}

async function entryOf(answer: Promise<Response>): Promise<Entry> {
  const response = await answer;
  if (response.ok) return (await response.json()) as Entry;
  throw response.status;
}

const slotsNow = () => [...document.querySelectorAll<HTMLElement>("[data-sp-slot]")];
const nameOf = (slot: HTMLElement) => slot.dataset.spSlot ?? "";
