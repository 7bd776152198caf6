// The SDK as one short file: esbuild puts its parts together, terser shortens them.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const entry = join(dirname(fileURLToPath(import.meta.url)), "src/index.ts");
/** Bytes of the SDK, gzipped, that a page may have to load. */
export const LIMIT = 9 * 1024;
/** Members that the SDK's own parts alone use: no page, no JSON and no browser knows a name of these. */
const INTERNAL =
  /^(isAnyAllowed|undelivered|noteDelivery|forgetDelivery|isPaused|notBefore|arrived|beacon|outcome|sendApart|countVisit|hurry|settle|meet|getDecision)$/;

/** Returns the SDK's code, and the files that are in it. */
export async function bundleSdk() {
  const options = { bundle: true, minify: true, write: false, metafile: true, target: "es2020", format: "iife" };
  const { outputFiles, metafile } = await build({ ...options, entryPoints: [entry], logLevel: "warning" });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    toplevel: true,
    // No getter of ours does anything, and no arrow is called by `new`.
    compress: { passes: 5, pure_getters: true, unsafe_arrows: true, hoist_funs: true },
    mangle: { properties: { regex: INTERNAL } },
  });
  return { code, files: Object.keys(metafile.inputs), size: gzipSync(code, { level: 9 }).length };
}
