/** What a person decided, kept without any id; what the browser objects to. */

import { read, remove, write } from "./store";
import { PURPOSES, type Options, type Purpose, type Purposes } from "./types";

export interface Decision {
  purposes: Purposes;
  policy_version: string;
  region?: string;
  method: string;
  /** ISO 8601: of two decisions the later one holds, in whatever order they arrive. */
  decided_at?: string;
}

interface Kept extends Decision {
  /** It takes something back, or may: the collector needs it though nothing is granted. */
  isNew: boolean;
}

const NAME = "consent";
/** `decided_at` of the decision that the collector has. Its own entry: noting it overwrites no decision. */
const DELIVERED = "delivered";

/** Global Privacy Control or Do Not Track. */
export function hasOptedOut(): boolean {
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
  return browser.globalPrivacyControl === true || browser.doNotTrack === "1";
}

/** Each question reads the storage anew: another tab may have decided meanwhile. */
export class Consent {
  constructor(private readonly options: Options) {}

  get version(): string {
    return this.options.policyVersion ?? "1";
  }

  /** The decision, or null while there is none on this version of the policy. */
  get decision(): Decision | null {
    return this.kept;
  }

  /** A no is a no everywhere, and on every version of the policy; recordings are asked for everywhere. */
  isAllowed(purpose: Purpose): boolean {
    const regime = this.options.consent ?? "opt-in";
    if (this.last?.purposes[purpose] === false) return false;
    if (regime === "opt-out" && hasOptedOut()) return false;
    const isGranted = this.kept?.purposes[purpose] === true;
    return isGranted || (regime !== "opt-in" && purpose !== "recording");
  }

  get isAnyAllowed(): boolean {
    return PURPOSES.some((purpose) => this.isAllowed(purpose));
  }

  /** Keeps a decision. The collector gets it, unless it would only learn of somebody whom it does not know. */
  decide(purposes: Purposes, method: string): void {
    const { last, options } = this;
    const all = Object.fromEntries(PURPOSES.map((name) => [name, purposes[name] === true]));
    // Later than the last one, though the clock was set back since.
    const time = Math.max(Date.now(), timeOf(last) + 1);
    const isNew = this.isAnyAllowed || this.undelivered !== null || isYes(all);
    const place = options.region ? { region: options.region } : {};
    const decided_at = new Date(time).toISOString();
    this.keep({ purposes: all, policy_version: this.version, method, ...place, decided_at, isNew });
  }

  /** The decision that the collector does not have yet. */
  get undelivered(): Decision | null {
    const { kept } = this;
    if (!kept || !(kept.isNew || isYes(kept.purposes)) || read(DELIVERED) === keyOf(kept)) return null;
    const { isNew: _, ...decision } = kept;
    return decision;
  }

  /** Notes that the collector has `decision`. */
  noteDelivery(decision: Decision): void {
    write(DELIVERED, keyOf(decision));
  }

  /** Notes that the collector does not know the decision any more: its cookie is gone, say. */
  forgetDelivery(): void {
    remove(DELIVERED);
  }

  /** Takes over what another tab decided, if it is later than what is known here. */
  hear(other: Kept): void {
    const isLater = timeOf(other) - timeOf(this.last);
    if (isLater > 0 || (isLater === 0 && !isYes(other.purposes))) this.keep(other);
  }

  /** The last decision, on whatever version of the policy. */
  get last(): Kept | null {
    return read<Kept>(NAME);
  }

  private get kept(): Kept | null {
    const { last } = this;
    return last?.policy_version === this.version ? last : null;
  }

  /** A decision outweighs the events that fill the storage. */
  private keep(kept: Kept): void {
    if (write(NAME, kept)) return;
    remove("queue");
    write(NAME, kept);
  }
}

const isYes = (purposes: Purposes) => Object.values(purposes).includes(true);
const keyOf = (decision: Decision) => decision.decided_at ?? "";
const timeOf = (decision: Decision | null) => Date.parse(decision?.decided_at ?? "") || 0;
