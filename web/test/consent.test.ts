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
  const news = () => consent.news;
  consent.decide({}, "banner");
  assert.equal(news(), null);
  consent.decide({ analytics: true }, "banner");
  const grant = news()!;
  consent.decide({}, "preference_page");
  consent.told(grant);
  const withdrawal = news()!;
  assert.equal(withdrawal.purposes.analytics, false, "an answer to the old decision");
  consent.told(withdrawal);
  assert.equal(news(), null);
});

test("a decision holds no id", () => {
  new Consent({ key: "k" }).decide({}, "banner");
  const kept = JSON.parse(page.store.getItem("sparkperso.consent")!);
  assert.deepEqual(Object.keys(kept).sort(), ["isNew", "method", "policy_version", "purposes"]);
});
