import assert from "node:assert/strict";
import { test } from "node:test";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const LIMIT = 8 * 1024;

test("the SDK has less than 8 KB gzipped, and nothing of another package in it", async () => {
  const entry = join(process.cwd(), "src/index.ts");
  const options = { bundle: true, minify: true, write: false, metafile: true, target: "es2020" } as const;
  const { outputFiles, metafile } = await build({ ...options, entryPoints: [entry] });
  const size = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  assert.ok(size < LIMIT, `${size} bytes`);
  const foreign = Object.keys(metafile.inputs).filter((name) => name.includes("node_modules"));
  assert.deepEqual(foreign, []);
});
