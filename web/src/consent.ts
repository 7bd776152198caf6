/** What a person decided, kept without any id; what the browser objects to. */

import { read, write } from "./store";
import { PURPOSES, type Options, type Purpose, type Purposes } from "./types";

export interface Decision {
  purposes: Purposes;
  policy_version: string;
  region?: string;
  method: string;
}

interface Kept extends Decision {
  /** The collector does not know it yet. */
  isNew: boolean;
}

/** Global Privacy Control or Do Not Track. */
export function hasOptedOut(): boolean {
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean };
  return browser.globalPrivacyControl === true || browser.doNotTrack === "1";
}

export class Consent {
  private kept: Kept | null;

  constructor(private readonly options: Options) {
    const kept = read<Kept>("consent");
    this.kept = kept?.policy_version === this.version ? kept : null;
  }

  get version(): string {
    return this.options.policyVersion ?? "1";
  }

  /** The decision, or null while there is none on this version of the policy. */
  get decision(): Decision | null {
    return this.kept;
  }

  /** A no is a no everywhere; recordings are asked for everywhere. */
  isAllowed(purpose: Purpose): boolean {
    const regime = this.options.consent ?? "opt-in";
    const decided = this.kept?.purposes[purpose];
    if (decided === false || (regime === "opt-out" && hasOptedOut())) return false;
    return decided === true || (regime !== "opt-in" && purpose !== "recording");
  }

  get isAnyAllowed(): boolean {
    return PURPOSES.some((purpose) => this.isAllowed(purpose));
  }

  /** Keeps a decision. The collector hears of it unless it would only hear of somebody it does not know. */
  decide(purposes: Purposes, method: string): void {
    const wasKnown = this.isAnyAllowed;
    const all = Object.fromEntries(PURPOSES.map((name) => [name, purposes[name] === true]));
    const region = this.options.region;
    const decision = { purposes: all, policy_version: this.version, method, ...(region && { region }) };
    const isGranted = Object.values(all).includes(true);
    this.keep({ ...decision, isNew: wasKnown || isGranted || this.kept?.isNew === true });
  }

  /** The decision that the collector has to be told. */
  get news(): Decision | null {
    if (!this.kept?.isNew) return null;
    const { isNew: _, ...decision } = this.kept;
    return decision;
  }

  /** Notes that the collector has `decision`, unless another was made since. */
  told(decision: Decision): void {
    if (this.kept && JSON.stringify(this.news) === JSON.stringify(decision)) {
      this.keep({ ...this.kept, isNew: false });
    }
  }

  private keep(kept: Kept): void {
    this.kept = kept;
    write("consent", kept);
  }
}
