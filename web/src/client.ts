/** The client: what is tracked becomes an event, if its person agreed, and goes into the queue. */

import { bare, campaign, deviceType } from "./address";
import { Consent } from "./consent";
import { fitted } from "./details";
import { skipLayer, tellLayer } from "./layer";
import { Queue } from "./queue";
import { Recording } from "./recording";
import { Sender } from "./sender";
import { forgetSession, ownId, randomId, touchSession } from "./session";
import { read, remove, watch, write } from "./store";
import { jsonOf, warn } from "./text";
import { startTrackers, type Trackers } from "./trackers";
import { Transport, type Outcome } from "./transport";
import type { Details, Json, Options, Purpose, Purposes, SentEvent } from "./types";

/** So many waiting events are sent at once. */
const MANY = 20;
/** An event's further fields: a page that gives them means them. */
const FIELDS = ["event_id", "timestamp", "user_id", "anonymous_id", "session_id", "channel"];

export class Client {
  private readonly consent: Consent;
  private readonly queue = new Queue();
  private readonly sender: Sender;
  private readonly recording: Recording;
  private trackers: Trackers | null = null;
  /** The decision that trackers and recording follow. */
  private followed = "";
  private channel: BroadcastChannel | null = null;
  private page = bare(location.href);
  private referrer = document.referrer && bare(document.referrer);

  constructor(private readonly options: Options & { endpoint: string }) {
    const { endpoint, key, recorder, flushSeconds = 3 } = options;
    this.consent = new Consent(options);
    this.sender = new Sender(this.consent, this.queue, new Transport(endpoint, key));
    const bundle = recorder ?? `${endpoint}/sdk/sparkperso-recorder.js`;
    this.recording = new Recording(bundle, (metadata) => this.sendRecording(metadata));
    setInterval(() => void this.flush(), flushSeconds * 1000);
    addEventListener("online", () => this.sender.hurry());
    addEventListener("pagehide", () => {
      this.leave();
      // An open channel keeps some browsers from going back to the page as it was left.
      this.channel?.close();
      this.channel = null;
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.leave();
      else this.follow();
    });
    addEventListener("pageshow", () => {
      this.openChannel();
      this.follow();
    });
    watch("consent", () => this.follow());
    this.openChannel();
    if (!this.consent.isAnyAllowed) this.countVisit();
    this.apply();
  }

  /** Tracks an event of a standard type or of the site's own; nothing without consent. */
  track = (type: string, details: Details = {}): void => {
    if (!this.consent.isAllowed("analytics")) return;
    const event = this.eventOf(type, details);
    if (!event) return;
    const waiting = this.queue.add(event);
    tellLayer(type, event);
    if (waiting >= MANY) void this.flush();
  };

  /** Says who the person is, in the site's own opaque id; it stands in all events that follow. */
  identify(userId: string, metadata: Record<string, Json> = {}): void {
    if (!this.consent.isAnyAllowed) return;
    write("user", userId);
    this.track("identify", { metadata });
  }

  /** Forgets who the person is, when they sign out. */
  reset(): void {
    remove("user");
    forgetSession();
  }

  /** Keeps a person's decision; what they did not name is refused. Holds at once. */
  decide(purposes: Purposes, method = "banner"): void {
    this.consent.decide(purposes, method);
    this.follow();
    tellLayer("consent", this.consent.decision ?? {});
    this.channel?.postMessage(this.consent.last);
    this.sender.hurry();
  }

  /** The decision on this version of the policy, or null: then a banner should ask. */
  get decision(): Purposes | null {
    return this.consent.decision?.purposes ?? null;
  }

  isAllowed(purpose: Purpose): boolean {
    return this.consent.isAllowed(purpose);
  }

  flush(): Promise<void> {
    return this.sender.flush();
  }

  /** Other tabs decide too. What storage does not carry from tab to tab, a channel does. */
  private openChannel(): void {
    try {
      this.channel ??= new BroadcastChannel("sparkperso");
    } catch {
      return; // An old browser, or one that forbids it as it forbids storage.
    }
    this.channel.onmessage = ({ data }) => {
      if (data) this.consent.hear(data);
      this.follow();
    };
  }

  /** Follows the decision, which may have been made in another tab; nothing when it is the same. */
  private follow(): void {
    const last = JSON.stringify(this.consent.last);
    if (last === this.followed) return;
    this.apply();
    dispatchEvent(new Event("sparkperso:consent"));
  }

  /** Starts and stops what the decision allows and forbids. */
  private apply(): void {
    this.followed = JSON.stringify(this.consent.last);
    if (!this.consent.isAllowed("analytics")) this.stopTracking();
    else this.trackers ??= startTrackers(this.options, this.track, (isSentOn) => this.arrive(isSentOn));
    if (this.consent.isAllowed("recording")) this.recording.start();
    else this.recording.stop();
    if (!this.consent.isAnyAllowed) this.reset();
  }

  /** What waits was agreed to once, but is not any more: it goes too. */
  private stopTracking(): void {
    this.trackers?.stop();
    this.trackers = null;
    this.queue.clear();
    if (this.consent.decision) skipLayer();
  }

  /** The event, or null for what JSON does not have: it would stop all that waits behind it. */
  private eventOf(type: string, details: Details): SentEvent | null {
    try {
      return JSON.parse(jsonOf(this.draft(type, details))) as SentEvent;
    } catch (error) {
      warn(`"${type}" should be made of JSON's values: ${String(error)}`);
      return null;
    }
  }

  private draft(type: string, details: Details): SentEvent {
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
      ...(this.consent.decision ? {} : { anonymous_id: ownId() }),
      ...fit,
      ...fields,
      context: {
        page_url: this.page,
        device_type: deviceType(),
        ...(this.referrer && { referrer: this.referrer }),
        ...(session.campaign && { campaign: session.campaign }),
        ...placeOf(this.options.region),
      },
      metadata,
    };
  }

  /** A page that only sent on to another has referred nobody. */
  private arrive(isSentOn: boolean): void {
    const page = bare(location.href);
    if (page !== this.page && !isSentOn) this.referrer = this.page;
    this.page = page;
  }

  private leave(): void {
    this.trackers?.leave();
    this.sender.leave();
  }

  private async sendRecording(metadata: Record<string, Json>): Promise<Outcome> {
    const event = this.consent.isAllowed("recording") && this.eventOf("session_recording", { metadata });
    return event ? this.sender.sendApart(event) : "fault";
  }

  /** A visit begins where somebody comes from elsewhere. */
  private countVisit(): void {
    if (!document.referrer.startsWith(`${location.origin}/`)) this.sender.countVisit();
  }
}

/** The collector's rule is that of `country`; a part of a country goes into `region`. */
function placeOf(region = ""): Record<string, string> {
  const country = region.slice(0, 2);
  return country === region ? (country ? { country } : {}) : { country, region };
}
