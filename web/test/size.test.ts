import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";

test("the SDK has less than 9 KB gzipped, and nothing of another package in it", async () => {
  const { bundleSdk, LIMIT } = await import(join(process.cwd(), "sdk.mjs"));
  const { size, files } = await bundleSdk();
  assert.equal(LIMIT, 9 * 1024);
  assert.ok(size < LIMIT, `${size} bytes`);
  assert.deepEqual(files.filter((name: string) => name.includes("node_modules")), []);
});
