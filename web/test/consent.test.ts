import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Consent } from "../src/consent";
import { browser } from "./browser";

let page: ReturnType<typeof browser>;
beforeEach(() => (page = browser()));

test("opt-in: nothing before a decision, then what was granted and nothing else", () => {
  const consent = new Consent({ key: "k" });
  assert.equal(consent.isAnyAllowed, false);
  assert.deepEqual(page.store.keys(), []);
  consent.decide({ analytics: true }, "banner");
  assert.equal(consent.isAllowed("analytics"), true);
  assert.equal(consent.isAllowed("recording"), false);
});

test("opt-out: until somebody objects, by hand or by the browser; recordings are asked for", () => {
  const consent = new Consent({ key: "k", consent: "opt-out" });
  assert.equal(consent.isAllowed("analytics"), true);
  assert.equal(consent.isAllowed("recording"), false);
  page.state.optedOut = true;
  assert.equal(consent.isAllowed("analytics"), false);
  page.state.optedOut = false;
  consent.decide({}, "banner");
  assert.equal(consent.isAllowed("analytics"), false);
});

test("a no is a no, whatever basis a site assumes; an objecting browser outweighs a yes", () => {
  const assumed = new Consent({ key: "k", consent: "assumed" });
  assert.equal(assumed.isAllowed("analytics"), true);
  assumed.decide({}, "banner");
  assert.equal(assumed.isAllowed("analytics"), false);
  const optOut = new Consent({ key: "k", consent: "opt-out" });
  optOut.decide({ analytics: true }, "banner");
  assert.equal(optOut.isAllowed("analytics"), true);
  page.state.optedOut = true;
  assert.equal(optOut.isAllowed("analytics"), false);
  assert.equal(new Consent({ key: "k" }).isAllowed("analytics"), true, "a yes that was asked for");
});

test("a decision on another version of the policy is asked for anew", () => {
  new Consent({ key: "k", policyVersion: "1" }).decide({ analytics: true }, "banner");
  assert.equal(new Consent({ key: "k", policyVersion: "1" }).isAllowed("analytics"), true);
  const later = new Consent({ key: "k", policyVersion: "2" });
  assert.equal(later.decision, null);
  assert.equal(later.isAllowed("analytics"), false);
});

test("the collector hears of a grant and of its withdrawal, not of a stranger's refusal", () => {
  const consent = new Consent({ key: "k" });
  const news = () => consent.undelivered;
  consent.decide({}, "banner");
  assert.equal(news(), null);
  consent.decide({ analytics: true }, "banner");
  const grant = news()!;
  consent.decide({}, "preference_page");
  consent.noteDelivery(grant);
  const withdrawal = news()!;
  assert.equal(withdrawal.purposes.analytics, false, "an answer to the old decision");
  consent.noteDelivery(withdrawal);
  assert.equal(news(), null);
});

test("a decision holds no id", () => {
  new Consent({ key: "k" }).decide({}, "banner");
  const kept = JSON.parse(page.store.getItem("sparkperso.consent")!);
  assert.deepEqual(Object.keys(kept).sort(), ["decided_at", "isNew", "method", "policy_version", "purposes"]);
});

test("a withdrawal in another tab holds here at once, and no stale tab undoes it", () => {
  const [here, there] = [new Consent({ key: "k" }), new Consent({ key: "k" })];
  here.decide({ analytics: true }, "banner");
  const grant = here.undelivered!;
  assert.equal(there.isAllowed("analytics"), true);
  there.decide({}, "preference_page");
  assert.equal(here.isAllowed("analytics"), false);
  here.noteDelivery(grant);
  assert.equal(here.isAllowed("analytics"), false, "noting the old answer");
  assert.equal(here.undelivered?.purposes.analytics, false, "the withdrawal has still to be sent");
});

test("of two decisions the later one holds, of two at once the no, in whatever order they come", () => {
  const consent = new Consent({ key: "k" });
  const at = (time: string, analytics: boolean) => {
    const rest = { policy_version: "1", method: "banner", isNew: true };
    return { purposes: { analytics }, decided_at: `2026-11-01T${time}:00.000Z`, ...rest };
  };
  const [yes, no] = [at("10:00", true), at("11:00", false)];
  for (const order of [[yes, no], [no, yes], [no, yes, no], [at("11:00", true), no], [no, at("11:00", true)]]) {
    page = browser();
    order.forEach((one) => consent.hear(one));
    assert.equal(consent.isAllowed("analytics"), false, JSON.stringify(order));
  }
});

test("a decision carries its time, later than the one before though the clock was set back", () => {
  const consent = new Consent({ key: "k" });
  const before = Date.now();
  consent.decide({ analytics: true }, "banner");
  const first = Date.parse(consent.undelivered!.decided_at!);
  assert.ok(first >= before && first <= Date.now());
  const { now } = Date;
  Date.now = () => before - 3_600_000;
  consent.decide({}, "banner");
  Date.now = now;
  assert.ok(Date.parse(consent.undelivered!.decided_at!) > first);
});

test("a no outlives the version of the policy, wherever people are not asked first", () => {
  new Consent({ key: "k", consent: "opt-out", policyVersion: "1" }).decide({}, "banner");
  const later = new Consent({ key: "k", consent: "opt-out", policyVersion: "2" });
  assert.equal(later.decision, null, "asked anew");
  assert.equal(later.isAllowed("analytics"), false);
});

test("storage that is forbidden, or full, keeps a decision for as long as the page", () => {
  for (const fault of ["isForbidden", "isFull"] as const) {
    page = browser();
    page.store[fault] = true;
    const consent = new Consent({ key: "k" });
    consent.decide({ analytics: true }, "banner");
    assert.equal(consent.isAllowed("analytics"), true);
    consent.decide({}, "banner");
    assert.equal(consent.isAllowed("analytics"), false);
  }
});
