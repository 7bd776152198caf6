/** Sends what waits: the decision first, since the collector gives its cookie for it, then events. */

import type { Consent } from "./consent";
import type { Queue } from "./queue";
import { forgetId, knownId } from "./session";
import { read } from "./store";
import type { Outcome, Transport } from "./transport";
import type { SentEvent } from "./types";

const BATCH = 50;

export class Sender {
  private batch = BATCH;
  private isSending = false;
  private telling: Promise<boolean> | null = null;

  constructor(
    private readonly consent: Consent,
    private readonly queue: Queue,
    private readonly transport: Transport,
  ) {}

  /** Sends all that waits, unless the network is away or the last failure was just now. */
  async flush(): Promise<void> {
    const isAway = Date.now() < this.transport.notBefore || navigator.onLine === false;
    if (this.isSending || isAway) return;
    this.isSending = true;
    try {
      if (await this.tell()) while (await this.sendBatch());
    } finally {
      this.isSending = false;
    }
  }

  /** Sends now, whatever failed before. */
  hurry(): void {
    this.transport.notBefore = 0;
    void this.flush();
  }

  /** Hands what waits to the browser, which sends it though the page goes. */
  leave(): void {
    if (!this.consent.news) this.queue.drop(this.transport.beacon(this.queue.all()));
  }

  /** Sends one event past the queue: recordings are too long for storage. */
  async sendApart(event: SentEvent): Promise<Outcome> {
    if (!(await this.tell())) return "again";
    return this.transport.post("/v1/events", { events: [event] });
  }

  /** Counts a visit, of nobody. */
  countVisit(): void {
    void this.transport.post("/v1/visit", {});
  }

  /** Says whether the collector knows the decision; two who ask at a time share the answer. */
  private tell(): Promise<boolean> {
    this.telling ??= this.sendDecision().finally(() => (this.telling = null));
    return this.telling;
  }

  private async sendDecision(): Promise<boolean> {
    const news = this.consent.news;
    if (!news) return true;
    const user = read<string>("user");
    const id = knownId();
    const person = { ...(user && { user_id: user }), ...(id && { anonymous_id: id }) };
    const outcome = await this.transport.post("/v1/consent", { ...news, ...person });
    if (outcome !== "again") {
      this.consent.told(news);
      // From a yes on, the cookie that came with the answer is the browser's id.
      forgetId();
    }
    return outcome === "taken" && !this.consent.news;
  }

  /** Sends the oldest events; says whether to go on. */
  private async sendBatch(): Promise<boolean> {
    const events = this.queue.all().slice(0, this.batch);
    if (!events.length || this.consent.news) return false;
    const outcome = await this.transport.post("/v1/events", { events });
    if (outcome === "again") return false;
    if (outcome === "shorter" && events.length > 1) {
      this.batch = Math.ceil(events.length / 2);
      return true;
    }
    this.batch = BATCH;
    this.queue.drop(events);
    return true;
  }
}
