/** The client: what is tracked becomes an event, if its person agreed, and goes into the queue. */

import { bare, campaign, deviceType } from "./address";
import { Consent } from "./consent";
import { fitted } from "./details";
import { skipLayer, tellLayer } from "./layer";
import { personaliser, type Answer, type Personaliser, type PersonalizeOptions } from "./personal/personalise";
import { Queue } from "./queue";
import { sessionRecording } from "./recording";
import { eventSender } from "./sender";
import { forgetSession, ownId, randomId, touchSession } from "./session";
import { read, remove, watch, write } from "./store";
import { jsonOf, warn } from "./text";
import { startTrackers, type Trackers } from "./trackers";
import { Transport, type Outcome } from "./transport";
import type { Details, Json, Options, Purpose, Purposes, SentEvent, Track } from "./types";

/** So many waiting events are sent at once. */
const MANY = 20;
/** An event's further fields: a page that gives them means them. */
const FIELDS = ["event_id", "timestamp", "user_id", "anonymous_id", "session_id", "channel"];

export interface Client {
  /** Tracks an event of a standard type or of the site's own; nothing without consent. */
  track: Track;
  /** Says who the person is, in the site's own opaque id; it stands in all events that follow. */
  identify(userId: string, metadata?: Record<string, Json>): void;
  /** Forgets who the person is, when they sign out. */
  reset(): void;
  /** Fills the page's slots with what this person is shown; what fails leaves them as they are. */
  personalize(options?: PersonalizeOptions): Promise<Answer | null>;
  /** Keeps a person's decision; what they did not name is refused. Holds at once. */
  decide(purposes: Purposes, method?: string): void;
  /** The decision on this version of the policy, or null: then a banner should ask. */
  getDecision(): Purposes | null;
  isAllowed(purpose: Purpose): boolean;
  flush(): Promise<void>;
}

export function startClient(options: Options & { endpoint: string }): Client {
  const { endpoint, key, recorder, flushSeconds = 3 } = options;
  const consent = new Consent(options);
  const queue = new Queue();
  const sender = eventSender(consent, queue, new Transport(endpoint, key));
  const isAllowed = (purpose: Purpose) => consent.isAllowed(purpose);
  let person: Personaliser | undefined;
  let trackers: Trackers | null = null;
  /** The decision that trackers and recording follow. */
  let followed = "";
  let channel: BroadcastChannel | null = null;
  let page = bare(location.href);
  let referrer = document.referrer && bare(document.referrer);

  const track = (type: string, details: Details = {}) => {
    const event = isAllowed("analytics") && eventOf(type, details);
    if (!event) return;
    const waiting = queue.add(event);
    tellLayer(type, event);
    if (waiting >= MANY) void sender.flush();
  };

  const reset = () => {
    remove("user");
    forgetSession();
    person?.meet();
  };

  /** Other tabs decide too. What storage does not carry from tab to tab, a channel does. */
  const openChannel = () => {
    try {
      channel ??= new BroadcastChannel("sparkperso");
    } catch {
      return; // An old browser, or one that forbids it as it forbids storage.
    }
    channel.onmessage = ({ data }) => {
      if (data) consent.hear(data);
      follow();
    };
  };

  /** Follows the decision, which may have been made in another tab; nothing when it is the same. */
  const follow = () => {
    if (JSON.stringify(consent.last) === followed) return;
    apply();
    person?.meet();
    dispatchEvent(new Event("sparkperso:consent"));
  };

  /** Starts and stops what the decision allows and forbids. */
  const apply = () => {
    followed = JSON.stringify(consent.last);
    if (!isAllowed("analytics")) stopTracking();
    else trackers ??= startTrackers(options, track, arrive);
    if (isAllowed("recording")) recording.start();
    else recording.stop();
    if (!consent.isAnyAllowed) reset();
  };

  /** What waits was agreed to once, but is not any more: it goes too. */
  const stopTracking = () => {
    trackers?.stop();
    trackers = null;
    queue.clear();
    if (consent.decision) skipLayer();
  };

  /** The event, or null for what JSON does not have: it would stop all that waits behind it. */
  const eventOf = (type: string, details: Details) => {
    try {
      return JSON.parse(jsonOf(draft(type, details))) as SentEvent;
    } catch (error) {
      warn(`"${type}" should be made of JSON's values: ${String(error)}`);
      return null;
    }
  };

  const draft = (type: string, details: Details): SentEvent => {
    const given = Object.entries(details ?? {});
    const isField = ([name, value]: [string, unknown]) => FIELDS.includes(name) && typeof value === "string";
    const fields = Object.fromEntries(given.filter(isField));
    const { metadata = {}, ...fit } = fitted(Object.fromEntries(given.filter((one) => !isField(one))));
    const user = read<string>("user");
    const session = touchSession(campaign(location.href).utm_campaign);
    return {
      event_id: randomId(),
      event_type: String(type),
      timestamp: new Date().toISOString(),
      session_id: session.id,
      ...(user && { user_id: user }),
      ...(consent.decision ? {} : { anonymous_id: ownId() }),
      ...fit,
      ...fields,
      context: {
        page_url: page,
        device_type: deviceType(),
        ...(referrer && { referrer }),
        ...(session.campaign && { campaign: session.campaign }),
        ...placeOf(options.region),
      },
      metadata,
    };
  };

  /** A page that only sent on to another has referred nobody. */
  const arrive = (isSentOn: boolean) => {
    const now = bare(location.href);
    if (now !== page && !isSentOn) referrer = page;
    page = now;
  };

  const leave = () => {
    trackers?.leave();
    sender.leave();
  };

  const sendRecording = async (metadata: Record<string, Json>): Promise<Outcome> => {
    const event = isAllowed("recording") && eventOf("session_recording", { metadata });
    return event ? sender.sendApart(event) : "fault";
  };
  const recording = sessionRecording(recorder ?? `${endpoint}/sdk/sparkperso-recorder.js`, sendRecording);

  setInterval(sender.flush, flushSeconds * 1000);
  addEventListener("online", sender.hurry);
  addEventListener("pagehide", () => {
    leave();
    // An open channel keeps some browsers from going back to the page as it was left.
    channel?.close();
    channel = null;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    else follow();
  });
  addEventListener("pageshow", () => {
    openChannel();
    follow();
  });
  watch("consent", follow);
  openChannel();
  // A visit begins where somebody comes from elsewhere.
  if (!consent.isAnyAllowed && !document.referrer.startsWith(`${location.origin}/`)) sender.countVisit();
  apply();

  return {
    track,
    identify(userId, metadata = {}) {
      if (!consent.isAnyAllowed) return;
      write("user", userId);
      track("identify", { metadata });
      person?.meet();
    },
    reset,
    personalize: (wanted) => (person ??= personaliser(consent, endpoint, track)).personalize(wanted),
    decide(purposes, method = "banner") {
      consent.decide(purposes, method);
      follow();
      tellLayer("consent", consent.decision ?? {});
      channel?.postMessage(consent.last);
      sender.hurry();
    },
    getDecision: () => consent.decision?.purposes ?? null,
    isAllowed,
    flush: sender.flush,
  };
}

/** The collector's rule is that of `country`; a part of a country goes into `region`. */
function placeOf(region = ""): Record<string, string> {
  const country = region.slice(0, 2);
  return country === region ? (country ? { country } : {}) : { country, region };
}
