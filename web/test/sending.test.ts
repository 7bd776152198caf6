import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Consent } from "../src/consent";
import { Queue } from "../src/queue";
import { eventSender, type Sender } from "../src/sender";
import { forgetId, knownId, ownId } from "../src/session";
import { cut } from "../src/text";
import { outcomeOf, Transport } from "../src/transport";
import { browser, event } from "./browser";

let page: ReturnType<typeof browser>;
let queue: Queue;
let transport: Transport;
let sender: Sender;
let consent: Consent;

beforeEach(() => {
  page = browser();
  forgetId();
  queue = new Queue();
  transport = new Transport("https://collect.example", "k");
  consent = new Consent({ key: "k" });
  consent.decide({ analytics: true }, "banner");
  sender = eventSender(consent, queue, transport);
});

const ids = () => page.sent.flatMap(({ body }) => body.events?.map((sent) => sent.event_id) ?? []);

test("the decision is sent before the first event, and every event once", async () => {
  const events = Array.from({ length: 120 }, () => event());
  events.forEach((one) => queue.add(one));
  await sender.flush();
  assert.match(page.sent[0]!.url, /\/v1\/consent$/);
  assert.deepEqual(ids(), events.map((one) => one.event_id));
  assert.deepEqual(queue.all(), []);
});

test("where nobody was asked first, the decision names the browser's own id, once", async () => {
  const id = ownId();
  assert.match(id, /^a-[0-9a-f]{32}$/);
  assert.equal(ownId(), id);
  await sender.flush();
  assert.equal(page.sent[0]!.body.anonymous_id, id);
  assert.equal(knownId(), null);
});

test("what fails stays, in order, and the pauses grow to a minute", async () => {
  const [first, second] = [event(), event()];
  queue.add(first);
  queue.add(second);
  page.state.answer = null;
  let before = 0;
  for (let attempt = 0; attempt < 12; attempt += 1) {
    transport.notBefore = 0;
    await sender.flush();
    const pause = transport.notBefore - Date.now();
    assert.ok(pause > before / 3 && pause <= 60_000, `${pause}`);
    before = pause;
  }
  assert.ok(before >= 29_000);
  assert.deepEqual(queue.all(), [first, second]);
  page.state.answer = 200;
  sender.hurry();
  await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual(ids(), [first.event_id, second.event_id]);
});

test("Retry-After is obeyed, and nothing is sent before its end", async () => {
  page.state.answer = 503;
  page.state.retryAfter = "120";
  queue.add(event());
  await sender.flush();
  assert.ok(transport.notBefore - Date.now() > 119_000);
  const before = page.sent.length;
  await sender.flush();
  assert.equal(page.sent.length, before);
});

test("statuses: what may pass is sent again, what never will is not", () => {
  assert.deepEqual([200, 202, 204].map(outcomeOf), ["taken", "taken", "taken"]);
  assert.deepEqual([400, 413, 415, 422].map(outcomeOf), ["fault", "fault", "fault", "fault"]);
  for (const status of [301, 304, 401, 403, 404, 405, 408, 409, 410, 425, 429, 500, 502, 503, 504]) {
    assert.equal(outcomeOf(status), "again", `${status}`);
  }
});

test("a full storage loses nothing, and the queue is bounded", async () => {
  queue.add(event());
  page.store.isFull = true;
  queue.add(event());
  assert.equal(queue.all().length, 2);
  page.store.isFull = false;
  for (let count = 0; count < 1100; count += 1) queue.add(event());
  assert.ok(queue.all().length <= 1001);
});

test("a beacon holds what fits, and leaves the rest in the queue", async () => {
  const events = Array.from({ length: 80 }, () => event({ text: "ö".repeat(1000) }));
  const handed = transport.beacon(events);
  assert.ok(handed.length > 10 && handed.length < 80);
  const [{ body, url }] = page.beacons as [{ body: Blob; url: string }];
  assert.ok(body.size <= 60_000);
  assert.equal(JSON.parse(await body.text()).events.length, handed.length);
  assert.match(url, /writeKey=k$/);
});

test("no status but 2xx makes the decision known, and no event is lost meanwhile", async () => {
  const first = event();
  queue.add(first);
  for (const status of [301, 400, 401, 403, 404, 410, 422, 429, 500]) {
    page.state.answer = status;
    transport.notBefore = 0;
    await sender.flush();
    assert.ok(consent.undelivered, `${status}`);
    assert.ok(transport.isPaused, `${status}`);
  }
  assert.deepEqual(ids(), []);
  assert.equal(page.warnings.filter((text) => text.includes("404")).length, 1);
  page.state.answer = 200;
  transport.notBefore = 0;
  await sender.flush();
  assert.equal(consent.undelivered, null);
  assert.deepEqual(ids(), [first.event_id]);
});

test("events outlive a wrong key, a wrong origin, a wrong address and a server that is none of ours", async () => {
  consent.noteDelivery(consent.undelivered!);
  const first = event();
  queue.add(first);
  for (const status of [201, 204, 301, 401, 403, 404, 408, 429, 500, 503]) {
    page.state.answer = status;
    transport.notBefore = 0;
    await sender.flush();
    assert.deepEqual(queue.all(), [first], `${status}`);
    assert.ok(transport.isPaused, `${status}`);
  }
});

test("an event at fault is found by halves and left out; all others arrive", async () => {
  const events = Array.from({ length: 120 }, (_, place) => event({ place }));
  events.forEach((one) => queue.add(one));
  for (const status of [400, 413, 422]) {
    page.state.look = (body) => (body.includes('"place":77}') ? status : null);
    events.forEach((one) => queue.drop([one]) ?? queue.add(one));
    page.sent.length = 0;
    await sender.flush();
    assert.deepEqual(queue.all(), []);
    const taken = page.sent.filter(({ body }) => !JSON.stringify(body).includes('"place":77}'));
    const arrived = taken.flatMap(({ body }) => body.events?.map((one) => one.event_id) ?? []);
    assert.deepEqual(arrived.sort(), events.filter((_, place) => place !== 77).map((one) => one.event_id).sort());
    assert.ok(page.sent.length < 25, `${page.sent.length} requests`);
  }
});

test("half a character is sent as U+FFFD, and what only looks like one as it is", async () => {
  queue.add(event({ half: "😀".slice(0, 1), other: "\udc00x", whole: "😀", typed: "\\ud83d \\\\ud83d" }));
  let text = "";
  page.state.look = (body) => ((text = body), null);
  await sender.flush();
  const [{ metadata }] = JSON.parse(text).events;
  const typed = "\\ud83d \\\\ud83d";
  assert.deepEqual(metadata, { half: "\ufffd", other: "\ufffdx", whole: "😀", typed });
  assert.doesNotMatch(text.replace(/\\\\/g, ""), /\\ud[89a-f]/);
  for (let most = 1; most < 12; most += 1) assert.doesNotMatch(cut("a😀b😀😀c", most), /[\ud800-\udbff]$/);
  assert.equal(cut("a😀b", 3), "a😀");
});

test("each request says when it was sent", async () => {
  queue.add(event());
  const before = Date.now();
  await sender.flush();
  transport.beacon([event()]);
  const bodies = [...page.sent.map(({ body }) => body), JSON.parse(await page.beacons[0]!.body.text())];
  assert.equal(bodies.length, 3);
  for (const { sent_at } of bodies) {
    const time = Date.parse(String(sent_at));
    assert.ok(time >= before && time <= Date.now(), `${sent_at}`);
  }
});

const NOBODY = { status: "invalid", reason: "no_person", problem: "user_id or anonymous_id is missing" };

test("where the cookie is gone the decision is sent again, once, and no event is lost", async () => {
  consent.noteDelivery(consent.undelivered!);
  const events = [event(), event()];
  events.forEach((one) => queue.add(one));
  // The collector knows the browser again once it has heard of the decision.
  const isKnown = () => page.sent.some(({ url }) => url.endsWith("/v1/consent"));
  page.state.judge = () => (isKnown() ? { status: "accepted" } : NOBODY);
  await sender.flush();
  const paths = page.sent.map(({ url }) => url.split("/").pop());
  assert.deepEqual(paths, ["events", "consent", "events"]);
  assert.deepEqual(queue.all(), []);
  assert.deepEqual(page.warnings, []);
});

test("a yes that the collector does not have is sent again; a no that it has for somebody holds", async () => {
  consent.noteDelivery(consent.undelivered!);
  queue.add(event());
  page.state.judge = () => ({ status: "refused", reason: "no_consent", purpose: "analytics" });
  await sender.flush();
  assert.deepEqual(page.sent.map(({ url }) => url.split("/").pop()), ["events", "consent", "events"]);
  assert.deepEqual(queue.all(), []);
  page.sent.length = 0;
  queue.add(event());
  page.state.judge = () => ({ status: "refused", reason: "no_consent", purpose: "personalisation" });
  await sender.flush();
  assert.deepEqual(page.sent.map(({ url }) => url.split("/").pop()), ["events"], "never agreed to");
  page.sent.length = 0;
  sender = eventSender(consent, queue, transport);
  page.state.optedOut = true;
  queue.add(event());
  page.state.judge = () => ({ status: "refused", reason: "no_consent", purpose: "analytics" });
  await sender.flush();
  assert.deepEqual(page.sent.map(({ url }) => url.split("/").pop()), ["events"], "the browser objects");
});

test("where the cookie never comes back events wait, and the console says why, once", async () => {
  consent.noteDelivery(consent.undelivered!);
  const events = [event(), event()];
  events.forEach((one) => queue.add(one));
  page.state.judge = () => NOBODY;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    transport.notBefore = 0;
    await sender.flush();
    assert.deepEqual(queue.all(), events);
  }
  assert.ok(transport.notBefore - Date.now() > 20_000, "pauses grow");
  assert.equal(page.sent.filter(({ url }) => url.endsWith("/v1/consent")).length, 1);
  assert.equal(page.warnings.length, 1);
  assert.match(page.warnings[0]!, /cookie does not come back/);
});

test("an event that is invalid by itself is left out, and said on the console", async () => {
  const [good, bad] = [event(), event()];
  queue.add(good);
  queue.add(bad);
  const invalid = { status: "invalid", problem: "channel should be web" };
  page.state.judge = ({ event_id }) => (event_id === bad.event_id ? invalid : { status: "accepted" });
  await sender.flush();
  assert.deepEqual(queue.all(), []);
  assert.match(page.warnings.join(), /channel should be web/);
});

test("a tab stops sending when another withdrew, even between two batches", async () => {
  Array.from({ length: 120 }, () => queue.add(event()));
  const other = new Consent({ key: "k" });
  page.state.look = (body) => {
    if (body.includes('"events"')) other.decide({}, "preference_page");
    return null;
  };
  await sender.flush();
  const batches = page.sent.filter(({ body }) => body.events);
  assert.equal(batches.length, 1);
  assert.deepEqual(queue.all(), []);
  sender.leave();
  assert.equal(page.beacons.length, 0);
});

test("what a beacon took stays until the collector has taken events of this page", async () => {
  consent.noteDelivery(consent.undelivered!);
  const first = event();
  queue.add(first);
  sender.leave();
  assert.deepEqual([page.beacons.length, queue.all()], [1, [first]]);
  await sender.flush();
  queue.add(event());
  sender.leave();
  assert.deepEqual([page.beacons.length, queue.all()], [2, []]);
});

test("storage that throws is lived with: all is sent, from memory", async () => {
  page.store.isForbidden = true;
  consent.decide({ analytics: true }, "banner");
  const events = [event(), event()];
  events.forEach((one) => queue.add(one));
  assert.equal(ownId(), ownId());
  await sender.flush();
  assert.deepEqual(ids(), events.map((one) => one.event_id));
  assert.deepEqual(queue.all(), []);
});
