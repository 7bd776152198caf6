// Builds what browsers load into the Python package: SDK, recorder, banner, demo pages.
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundleSdk, LIMIT } from "./sdk.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/sparkperso/data/web");
const common = {
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  absWorkingDir: here,
  legalComments: "linked",
  logLevel: "warning",
};

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  ...common,
  outdir: join(out, "sdk"),
  entryPoints: {
    "sparkperso-recorder": "recorder/index.ts",
    "sparkperso-banner": "banner/index.ts",
  },
});
await build({
  ...common,
  globalName: "sparkpersoExperiments",
  outdir: join(out, "sdk"),
  entryPoints: { "sparkperso-experiments": "src/experiments.ts" },
});
const sdk = await bundleSdk();
if (sdk.size >= LIMIT) throw new Error(`The SDK should have less than ${LIMIT} bytes gzipped. It has ${sdk.size}.`);
await writeFile(join(out, "sdk/sparkperso.js"), sdk.code);
await build({
  ...common,
  outdir: join(out, "demo/assets"),
  entryPoints: {
    shop: "demo/shop.ts",
    privacy: "demo/privacy.ts",
    live: "demo/live.ts",
    replay: "demo/replay.ts",
  },
});
for (const page of ["shop", "privacy", "live", "replay"]) {
  await cp(join(here, `demo/${page}.html`), join(out, `demo/${page}.html`));
}
