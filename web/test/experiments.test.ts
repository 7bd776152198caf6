import assert from "node:assert/strict";
import { test } from "node:test";
import { assign, fnv32a, shareOf, variantAt } from "../src/experiments";

test("shares are those of GrowthBook's SDKs, version 2", () => {
  const vectors: [string, string, number][] = [
    ["seed", "a", 0.0505],
    ["seed", "b", 0.2696],
    ["foo", "ab", 0.2575],
    ["foo", "def", 0.2019],
    ["89123klj", "8952klfjas09ujkasdf", 0.124],
    ["90850943850283058242805", "123", 0.7516],
  ];
  for (const [seed, unit, share] of vectors) assert.equal(shareOf(seed, unit), share);
  const plain: [string, number][] = [["a", 0.22], ["b", 0.077], ["def", 0.652]];
  for (const [text, share] of plain) assert.equal((fnv32a(text) % 1000) / 1000, share);
});

test("a code unit is one of UTF-16", () => {
  assert.equal(fnv32a(""), 0x811c9dc5);
  assert.equal(fnv32a("😀"), fnv32a("\ud83d\ude00"));
});

test("growing coverage moves nobody", () => {
  for (let bucket = 0; bucket < 10000; bucket += 7) {
    let before: number | null = null;
    for (const coverage of [0.1, 0.5, 1]) {
      const place = variantAt(bucket / 10000, [0.2, 0.3, 0.5], coverage);
      assert.ok(before === null || before === place);
      before = place;
    }
  }
});

test("a layer leaves out who is in another part of it, and nobody has no id", () => {
  const rule = { key: "hero", weights: [0.5, 0.5], meta: [{ key: "a" }, { key: "b" }] };
  assert.equal(assign(rule, ""), null);
  const parts: [string, number, number][] = [["home", 0, 0.4], ["home", 0.4, 1]];
  for (let number = 0; number < 1000; number++) {
    const found = parts.map((namespace) => assign({ ...rule, namespace }, `u${number}`));
    assert.equal(found.filter((one) => one === null).length, 1);
    assert.ok(found.includes(assign(rule, `u${number}`)));
  }
});
