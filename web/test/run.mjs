// Bundles the tests for node and runs them by node's own runner.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const tests = (await readdir(here)).filter((name) => name.endsWith(".test.ts"));
const out = await mkdtemp(join(here, "../node_modules/.tests-"));
const common = { bundle: true, platform: "node", format: "esm", external: ["esbuild", "terser"], outExtension: { ".js": ".mjs" } };
await build({ ...common, outdir: out, entryPoints: tests.map((name) => join(here, name)) });
const files = (await readdir(out)).map((name) => join(out, name));
const { status } = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" });
await rm(out, { recursive: true });
process.exit(status ?? 1);
