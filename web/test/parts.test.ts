import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { maskInput, maskText } from "../recorder/mask";
import { Parts, slices } from "../recorder/parts";
import { bare, campaign } from "../src/address";
import { eventsOf, readLayer, skipLayer } from "../src/layer";
import { watchDwell } from "../src/track/dwell";
import { browser } from "./browser";

beforeEach(() => void browser());

test("addresses lose query, fragment and user; only campaigns are read", () => {
  assert.equal(bare("https://u:p@a.example/x?token=1#y"), "https://a.example/x");
  assert.equal(bare("mailto:anna@a.example"), "");
  assert.deepEqual(campaign(location.href), { utm_source: "news" });
});

test("a recording's parts, put together, are its events", async () => {
  const taken: string[] = [];
  let isAway = true;
  const post = async ({ text }: Record<string, unknown>) => {
    if (isAway) return "again" as const;
    taken.push(String(text));
    return "taken" as const;
  };
  const parts = new Parts("r", post, () => assert.fail("gave up"));
  const start = 1_764_000_000_000;
  const text = "😀".repeat(300_000);
  parts.add({ type: 4, timestamp: start, data: { href: "https://a.example/", width: 3 } });
  parts.add({ type: 3, timestamp: start + 5.12345, data: { text } });
  await parts.send();
  isAway = false;
  parts.add({ type: 3, timestamp: start + 9, data: {} });
  await parts.send();
  const lines = taken.join("").trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    { type: 4, timestamp: 0, data: { href: "https://a.example/", width: 3 } },
    { type: 3, timestamp: 5.12, data: { text } },
    { type: 3, timestamp: 9, data: {} },
  ]);
  assert.ok(taken.length > 2 && taken.every((part) => part.length <= 250_001));
});

test("slices cut no character in two", () => {
  for (const part of slices("a😀😀b😀", 2)) assert.doesNotMatch(part, /[\ud800-\udbff]$/);
  assert.equal(slices("a😀😀b😀", 2).join(""), "a😀😀b😀");
});

test("masks: inputs give nothing away, texts no address and no long number", () => {
  assert.equal(maskInput(), "••••");
  const text = "To anna@a.example, +49 30 123 4567, 4111 1111 1111 1111, 12 lamps";
  assert.equal(maskText(text), "To •••@•••, •••, •••, 12 lamps");
});

test("data layer: one event per line of GA4's order, what is unknown stays out", () => {
  const items = [{ item_id: "a", price: 10, quantity: 2 }, { item_id: 7, price: 0.1, quantity: 3 }];
  const order = { event: "purchase", ecommerce: { currency: "EUR", transaction_id: "t1", items } };
  const types = new Map([["purchase", "purchase"]]);
  assert.deepEqual(eventsOf(order, types), [
    ["purchase", { item_id: "a", value: 20, currency: "EUR", metadata: { quantity: 2, order_id: "t1" } }],
    ["purchase", { item_id: "7", value: 0.3, currency: "EUR", metadata: { quantity: 3, order_id: "t1" } }],
  ]);
  for (const other of [{ event: "gtm.js" }, { event: "constructor" }, ["js", 1], null, "x"]) {
    assert.deepEqual(eventsOf(other, types), []);
  }
});

test("data layer: each entry is read once, and none that came after a no", () => {
  const seen: string[] = [];
  const push = (query: number) => layer.push({ event: "search", query });
  const layer: unknown[] = [];
  Object.assign(globalThis, { window: { dataLayer: layer } });
  const start = () => readLayer((_, details) => void seen.push(String(details!.metadata!.query)));
  push(1);
  let stop = start();
  push(2);
  stop();
  stop = start();
  assert.deepEqual(seen, ["1", "2"]);
  stop();
  push(3);
  skipLayer();
  stop = start();
  push(4);
  assert.deepEqual(seen, ["1", "2", "4"]);
  stop();
});

test("dwell: the sum of the reports is the time visible, active time is part of it", () => {
  const seen: { seconds: number; active_seconds: number }[] = [];
  const signs = new Map<string, () => void>();
  const listen = (name: string, what: () => void) => void signs.set(name, what);
  const hidden = { hidden: false, addEventListener: listen };
  Object.assign(globalThis, { document: hidden, addEventListener: listen });
  let now = 0;
  const dwell = watchDwell((_, details) => seen.push(details!.metadata as never), () => now);
  dwell.start();
  now = 10_000;
  signs.get("keydown")!();
  now = 20_000;
  dwell.report();
  hidden.hidden = true;
  signs.get("visibilitychange")!();
  now = 90_000;
  dwell.report();
  hidden.hidden = false;
  signs.get("visibilitychange")!();
  now = 93_000;
  dwell.report();
  assert.deepEqual(seen, [
    { seconds: 20, active_seconds: 5 },
    { seconds: 3, active_seconds: 0 },
  ]);
});
