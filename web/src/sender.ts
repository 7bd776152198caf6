/** Sends what waits: the decision first, since the collector gives its cookie for it, then events. */

import { hasOptedOut, type Consent } from "./consent";
import type { Queue } from "./queue";
import { forgetId, knownId } from "./session";
import { read } from "./store";
import { warn } from "./text";
import type { Answer, Outcome, Result, Transport } from "./transport";
import type { Purpose, SentEvent } from "./types";

const BATCH = 50;
const WAIT = "Events wait in the browser.";
const NO_COOKIE = `the collector's cookie does not come back: it should be a subdomain of the page's site. ${WAIT}`;

export interface Sender {
  /** Sends all that waits, unless the network is away or the last failure was just now. */
  flush(): Promise<void>;
  /** Sends now, whatever failed before. */
  hurry(): void;
  /**
   * Hands what waits to the browser, which sends it though the page goes. Nobody hears the answer:
   * until the collector has taken events of this page, they stay too, and count once by their ids.
   */
  leave(): void;
  /** Sends one event past the queue: recordings are too long for storage. */
  sendApart(event: SentEvent): Promise<Outcome>;
  /** Counts a visit, of nobody. */
  countVisit(): void;
}

export function eventSender(consent: Consent, queue: Queue, transport: Transport): Sender {
  let batch = BATCH;
  let isSending = false;
  let delivery: Promise<boolean> | null = null;
  /** The decision was sent once more, since the collector did not know it, and no event was taken since. */
  let hasResent = false;
  /** The collector has taken events of this page: what a beacon brings it will take too. */
  let isKnown = false;

  const flush = async () => {
    if (isSending || transport.isPaused || navigator.onLine === false) return;
    isSending = true;
    try {
      while ((await deliverDecision()) && (await sendBatch()));
    } finally {
      isSending = false;
    }
  };

  /** Says whether the collector knows the decision; two who ask at a time share the answer. */
  const deliverDecision = () => {
    delivery ??= sendDecision().finally(() => (delivery = null));
    return delivery;
  };

  const sendDecision = async () => {
    const decision = consent.undelivered;
    if (!decision) return true;
    const user = read<string>("user");
    const id = knownId();
    const person = { ...(user && { user_id: user }), ...(id && { anonymous_id: id }) };
    const { outcome, status } = await transport.post("/v1/consent", { ...decision, ...person });
    if (outcome !== "taken") {
      if (outcome === "fault") transport.pause();
      if (status) warn(`the collector answers ${status} to the decision. It is sent again.`);
      return false;
    }
    consent.noteDelivery(decision);
    if (!hasResent) transport.arrived();
    // From a yes on, the cookie that came with the answer is the browser's id.
    forgetId();
    return !consent.undelivered;
  };

  /** Sends the oldest events; says whether to go on. Another tab may have withdrawn meanwhile. */
  const sendBatch = async () => {
    if (!consent.isAllowed("analytics")) queue.clear();
    const events = queue.all().slice(0, batch);
    if (!events.length || consent.undelivered) return false;
    return settle(events, await transport.post("/v1/events", { events }));
  };

  /** Takes off the queue what was answered for good; says whether to go on. */
  const settle = (events: SentEvent[], { outcome, status, results }: Answer) => {
    if (outcome === "again") {
      if (status >= 300 && status < 500) warn(`the collector answers ${status}. ${WAIT}`);
      return false;
    }
    if (results.length === events.length) return judge(events, results);
    if (outcome === "taken") {
      warn(`no collector answers. ${WAIT}`);
      transport.pause();
      return false;
    }
    // The request is at fault: its halves are sent until the event that is, is found.
    if (events.length > 1) {
      batch = Math.ceil(events.length / 2);
      return true;
    }
    return judge(events, [{ status: "invalid", problem: `status ${status}` }]);
  };

  const judge = (events: SentEvent[], results: Result[]) => {
    const forgotten = results.map(isForgotten);
    const isLost = forgotten.includes(true);
    const isNobody = results.some(({ reason }) => reason === "no_person");
    const isAgain = isLost && resendDecision();
    queue.drop(isAgain || isNobody ? events.filter((_, place) => !forgotten[place]) : events);
    for (const [place, { problem }] of results.entries()) {
      if (problem && !forgotten[place]) warn(`the collector does not take an event: ${problem}`);
    }
    if (isAgain) return true;
    if (isNobody) {
      warn(NO_COOKIE);
      transport.pause();
      return false;
    }
    isKnown = true;
    transport.arrived();
    if (!isLost) hasResent = false;
    batch = Math.min(BATCH, batch * 2);
    return true;
  };

  /**
   * Says whether the collector lacks a yes that was given: the cookie that stands for it is gone. What it
   * refuses since the browser objects, it does not lack.
   */
  const isForgotten = ({ status, reason, purpose }: Result) => {
    const isGiven = consent.decision?.purposes[purpose as Purpose] === true;
    return reason === "no_person" || (status === "refused" && isGiven && !hasOptedOut());
  };

  /** Has the decision sent once more, and its cookie made anew; false when that has just not helped. */
  const resendDecision = () => {
    if (hasResent || !consent.decision) return false;
    hasResent = true;
    consent.forgetDelivery();
    return true;
  };

  return {
    flush,
    hurry() {
      transport.notBefore = 0;
      void flush();
    },
    leave() {
      if (consent.undelivered || !consent.isAllowed("analytics")) return;
      const handed = transport.beacon(queue.all());
      if (isKnown) queue.drop(handed);
    },
    async sendApart(event) {
      if (transport.isPaused || !(await deliverDecision())) return "again";
      const answer = await transport.post("/v1/events", { events: [event] });
      if (answer.results.some(isForgotten)) return resendDecision() ? "again" : "fault";
      return answer.outcome;
    },
    countVisit: () => void transport.post("/v1/visit", {}),
  };
}
