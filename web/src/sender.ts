/** Sends what waits: the decision first, since the collector gives its cookie for it, then events. */

import { hasOptedOut, type Consent } from "./consent";
import type { Queue } from "./queue";
import { forgetId, knownId } from "./session";
import { read } from "./store";
import { warn } from "./text";
import type { Answer, Outcome, Result, Transport } from "./transport";
import type { Purpose, SentEvent } from "./types";

const BATCH = 50;
const NO_COOKIE =
  "the collector does not know this browser, though its visitor agreed: its cookie does not come back. " +
  "The collector should be a subdomain of the page's site. Events wait in the browser.";

export class Sender {
  private batch = BATCH;
  private isSending = false;
  private delivery: Promise<boolean> | null = null;
  /** The decision was sent once more, since the collector did not know it, and no event was taken since. */
  private hasResent = false;
  /** The collector has taken events of this page: what a beacon brings it will take too. */
  private isKnown = false;

  constructor(
    private readonly consent: Consent,
    private readonly queue: Queue,
    private readonly transport: Transport,
  ) {}

  /** Sends all that waits, unless the network is away or the last failure was just now. */
  async flush(): Promise<void> {
    if (this.isSending || this.transport.isPaused || navigator.onLine === false) return;
    this.isSending = true;
    try {
      while ((await this.deliverDecision()) && (await this.sendBatch()));
    } finally {
      this.isSending = false;
    }
  }

  /** Sends now, whatever failed before. */
  hurry(): void {
    this.transport.notBefore = 0;
    void this.flush();
  }

  /**
   * Hands what waits to the browser, which sends it though the page goes. Nobody hears the answer:
   * until the collector has taken events of this page, they stay too, and count once by their ids.
   */
  leave(): void {
    if (this.consent.undelivered || !this.consent.isAllowed("analytics")) return;
    const handed = this.transport.beacon(this.queue.all());
    if (this.isKnown) this.queue.drop(handed);
  }

  /** Sends one event past the queue: recordings are too long for storage. */
  async sendApart(event: SentEvent): Promise<Outcome> {
    if (this.transport.isPaused || !(await this.deliverDecision())) return "again";
    const answer = await this.transport.post("/v1/events", { events: [event] });
    if (answer.results.some((result) => this.isForgotten(result))) {
      if (this.resendDecision()) return "again";
      return "fault";
    }
    return answer.outcome;
  }

  /** Counts a visit, of nobody. */
  countVisit(): void {
    void this.transport.post("/v1/visit", {});
  }

  /** Says whether the collector knows the decision; two who ask at a time share the answer. */
  private deliverDecision(): Promise<boolean> {
    this.delivery ??= this.sendDecision().finally(() => (this.delivery = null));
    return this.delivery;
  }

  private async sendDecision(): Promise<boolean> {
    const decision = this.consent.undelivered;
    if (!decision) return true;
    const user = read<string>("user");
    const id = knownId();
    const person = { ...(user && { user_id: user }), ...(id && { anonymous_id: id }) };
    const { outcome, status } = await this.transport.post("/v1/consent", { ...decision, ...person });
    if (outcome !== "taken") {
      if (outcome === "fault") this.transport.pause();
      if (status) warn(`the collector does not take the decision (status ${status}); it is sent again.`);
      return false;
    }
    this.consent.noteDelivery(decision);
    if (!this.hasResent) this.transport.arrived();
    // From a yes on, the cookie that came with the answer is the browser's id.
    forgetId();
    return !this.consent.undelivered;
  }

  /** Sends the oldest events; says whether to go on. Another tab may have withdrawn meanwhile. */
  private async sendBatch(): Promise<boolean> {
    if (!this.consent.isAllowed("analytics")) this.queue.clear();
    const events = this.queue.all().slice(0, this.batch);
    if (!events.length || this.consent.undelivered) return false;
    return this.settle(events, await this.transport.post("/v1/events", { events }));
  }

  /** Takes off the queue what was answered for good; says whether to go on. */
  private settle(events: SentEvent[], { outcome, status, results }: Answer): boolean {
    if (outcome === "again") {
      if (status >= 300 && status < 500) warn(`the collector answers ${status}. Events wait in the browser.`);
      return false;
    }
    if (results.length === events.length) return this.judge(events, results);
    if (outcome === "taken") {
      warn("no collector answers at its address. Events wait in the browser.");
      this.transport.pause();
      return false;
    }
    // The request is at fault: its halves are sent until the event that is, is found.
    if (events.length > 1) {
      this.batch = Math.ceil(events.length / 2);
      return true;
    }
    return this.judge(events, [{ status: "invalid", problem: `status ${status}` }]);
  }

  private judge(events: SentEvent[], results: Result[]): boolean {
    const isForgotten = results.map((result) => this.isForgotten(result));
    const isLost = isForgotten.includes(true);
    const isNobody = results.some(({ reason }) => reason === "no_person");
    const isAgain = isLost && this.resendDecision();
    this.queue.drop(isAgain || isNobody ? events.filter((_, place) => !isForgotten[place]) : events);
    for (const [place, { problem }] of results.entries()) {
      if (problem && !isForgotten[place]) warn(`the collector does not take an event: ${problem}`);
    }
    if (isAgain) return true;
    if (isNobody) {
      warn(NO_COOKIE);
      this.transport.pause();
      return false;
    }
    this.isKnown = true;
    this.transport.arrived();
    if (!isLost) this.hasResent = false;
    this.batch = Math.min(BATCH, this.batch * 2);
    return true;
  }

  /**
   * Says whether the collector lacks a yes that was given: the cookie that stands for it is gone. What it
   * refuses since the browser objects, it does not lack.
   */
  private isForgotten({ status, reason, purpose }: Result): boolean {
    const isGiven = this.consent.decision?.purposes[purpose as Purpose] === true;
    return reason === "no_person" || (status === "refused" && isGiven && !hasOptedOut());
  }

  /** Has the decision sent once more, and its cookie made anew; false when that has just not helped. */
  private resendDecision(): boolean {
    if (this.hasResent || !this.consent.decision) return false;
    this.hasResent = true;
    this.consent.forgetDelivery();
    return true;
  }
}
