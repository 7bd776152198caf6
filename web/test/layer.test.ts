import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { fitted, numberOf } from "../src/details";
import { eventsOf, readLayer } from "../src/layer";
import { wrap } from "../src/wrap";
import { browser } from "./browser";

beforeEach(() => void browser());

const TYPES = new Map([["purchase", "purchase"], ["rating", "rating"]]);
const bought = (ecommerce: object) => eventsOf({ event: "purchase", ecommerce }, TYPES);

test("numbers given as text are numbers; what may be read in two ways is none", () => {
  const read: [unknown, number][] = [
    [15, 15], ["15.00", 15], [" 3 ", 3], ["-2.5", -2.5], ["+7", 7], [".5", 0.5], ["5.", 5], ["1e3", 1000],
  ];
  for (const [given, number] of read) assert.equal(numberOf(given), number, `${given}`);
  const none = ["1,234", "15,00", "1,234.50", "", " ", "red", "15 €", "€15", "0x10", ".", "Infinity", "1e999", NaN, Infinity, true, null, undefined, [3], {}];
  for (const given of none) assert.equal(numberOf(given), undefined, `${given}`);
});

test("a price and a quantity given as text are multiplied", () => {
  const items = [{ item_id: "a", price: "15.00", quantity: "3" }, { item_id: "b", price: "7.50" }];
  assert.deepEqual(bought({ currency: "EUR", items }), [
    ["purchase", { item_id: "a", value: 45, currency: "EUR", metadata: { quantity: 3 } }],
    ["purchase", { item_id: "b", value: 7.5, currency: "EUR", metadata: { quantity: 1 } }],
  ]);
});

test("a price or a quantity that cannot be read makes no value, and stays as it came", () => {
  const items = [{ item_id: "a", price: "1,234", quantity: 2 }, { item_id: "b", price: 5, quantity: "two" }];
  assert.deepEqual(bought({ items }).map(([, details]) => details), [
    { item_id: "a", metadata: { price: "1,234", quantity: 2 } },
    { item_id: "b", metadata: { price: 5, quantity: "two" } },
  ]);
});

test("what only decorates an event loses none: it is fitted, or stays in metadata", () => {
  const strange = { item_id: ["a"], value: "red", currency: "", rating: "PG-13" };
  assert.deepEqual(fitted(strange), { metadata: { rating: "PG-13", item_id: ["a"], value: "red" } });
  assert.deepEqual(fitted({ item_id: 7, value: "25.00", query: "lamp", metadata: { a: 1 } }), {
    item_id: "7",
    value: 25,
    metadata: { query: "lamp", a: 1 },
  });
  assert.deepEqual(fitted({ value: "red", metadata: { value: 1 } }), { metadata: { value: 1, raw_value: "red" } });
  assert.deepEqual(fitted({ metadata: "text" }), { metadata: { metadata: "text" } });
});

test("an order without items, and items that PHP wrote as an object, are read", () => {
  assert.deepEqual(bought({ transaction_id: "t1", value: "45.00", currency: "EUR" }), [
    ["purchase", { value: 45, currency: "EUR", metadata: { order_id: "t1" } }],
  ]);
  const [[, details]] = bought({ items: { 0: { item_id: "a", price: 2 }, 2: "x" } }) as [[string, object]];
  assert.deepEqual(details, { item_id: "a", value: 2, metadata: { quantity: 1 } });
});

test("an order whose items have no price keeps its own value", () => {
  const order = { transaction_id: "t1", value: "45.00", currency: "EUR" };
  assert.deepEqual(bought({ ...order, items: [{ item_id: "a" }] }), [
    ["purchase", { item_id: "a", value: 45, currency: "EUR", metadata: { quantity: 1, order_id: "t1" } }],
  ]);
  assert.deepEqual(bought({ ...order, items: [{ item_id: "a" }, { item_id: "b", quantity: 2 }] }), [
    [
      "purchase",
      {
        value: 45,
        currency: "EUR",
        metadata: { order_id: "t1", items: [{ item_id: "a" }, { item_id: "b", quantity: 2 }] },
      },
    ],
  ]);
  const some = bought({ ...order, items: [{ item_id: "a" }, { item_id: "b", price: 9 }] });
  assert.deepEqual(some.map(([, { value }]) => value), [undefined, 9]);
});

test("properties named like JavaScript's own are data, and change no object", () => {
  const entry = JSON.parse('{"event":"rating","constructor":"x","__proto__":{"bad":1},"toString":"y","value":4}');
  const [[type, { value, metadata }]] = eventsOf(entry, TYPES) as [[string, { value: number; metadata: object }]];
  assert.deepEqual([type, value], ["rating", 4]);
  assert.deepEqual(Object.entries(metadata), [["constructor", "x"], ["toString", "y"]]);
  assert.equal(({} as { bad?: number }).bad, undefined);
  for (const event of ["constructor", "__proto__", "toString"]) assert.deepEqual(eventsOf({ event }, TYPES), []);
});

test("others' wrappers survive the end of ours, which only passes on from then", () => {
  const seen: string[] = [];
  const layer: unknown[] = [];
  Object.assign(globalThis, { window: { dataLayer: layer } });
  const stop = readLayer((_, details) => void seen.push(`ours ${details!.metadata!.query}`));
  const ours = layer.push;
  layer.push = (...given) => {
    seen.push("theirs");
    return ours.apply(layer, given);
  };
  const theirs = layer.push;
  layer.push({ event: "search", query: 1 });
  stop();
  assert.equal(layer.push, theirs);
  assert.equal(layer.push({ event: "search", query: 2 }), 2);
  assert.deepEqual(seen, ["theirs", "ours 1", "theirs"]);
  const again = readLayer((_, details) => void seen.push(`again ${details!.metadata!.query}`));
  layer.push({ event: "search", query: 3 });
  assert.deepEqual(seen.slice(3), ["again 2", "theirs", "again 3"]);
  again();
  assert.equal(layer.push, theirs);
});

test("a method is given back as it was: an inherited one is inherited again", () => {
  class History {
    pushState(...given: unknown[]): number {
      return given.length;
    }
  }
  const history = new History();
  let calls = 0;
  const stop = wrap(history as never, "pushState", () => {
    calls += 1;
    throw new Error("ours");
  });
  assert.equal(history.pushState(1, 2), 2);
  assert.equal(calls, 1);
  stop();
  assert.deepEqual([Object.keys(history), history.pushState(), calls], [[], 0, 1]);
});
