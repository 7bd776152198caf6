import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Consent } from "../src/consent";
import { Queue } from "../src/queue";
import { Sender } from "../src/sender";
import { forgetId, knownId, ownId } from "../src/session";
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
  sender = new Sender(consent, queue, transport);
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
  const outcomes = [200, 400, 401, 408, 413, 422, 429, 500, 503].map(outcomeOf);
  const expected = ["taken", "never", "never", "again", "shorter", "never", "again", "again", "again"];
  assert.deepEqual(outcomes, expected);
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
