// What GrowthBook's and OpenFeature's official clients for browsers say of many people, as JSON.
// `node experiments_judge.mjs URL FEATURES_KEY TOKEN < ids`; as tests/experiments_judge.py.
import { GrowthBook } from "@growthbook/growthbook";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature } from "@openfeature/web-sdk";
import { readFileSync } from "node:fs";

/** Ids that the protocol is asked for, one by one. */
const MOST_REQUESTS = 300;
const [url, featuresKey, token] = process.argv.slice(2);
const { ids, experiments } = JSON.parse(readFileSync(0, "utf8"));

async function byGrowthBook() {
  const client = new GrowthBook({ apiHost: url, clientKey: featuresKey });
  await client.init({ timeout: 5000 });
  const found = Object.fromEntries(experiments.map((name) => [name, []]));
  for (const id of ids) {
    await client.setAttributes({ user_id: id, anonymous_id: id, device_type: "mobile" });
    for (const name of experiments) {
      const result = client.evalFeature(name).experimentResult;
      found[name].push(result?.inExperiment && result.hashUsed ? result.key : null);
    }
  }
  client.destroy();
  return found;
}

/** Status codes of the bulk route, as this process received them. */
const statuses = [];
const plainFetch = globalThis.fetch;

async function byOpenFeature() {
  const fetchImplementation = async (...request) => {
    const answer = await plainFetch(...request);
    statuses.push(answer.status);
    return answer;
  };
  const headers = [["Authorization", `Bearer ${token}`]];
  const provider = new OFREPWebProvider({ baseUrl: url, headers, pollInterval: 50, fetchImplementation });
  await OpenFeature.setContext({ targetingKey: ids[0], device_type: "mobile" });
  await OpenFeature.setProviderAndWait(provider);
  const client = OpenFeature.getClient();
  const found = Object.fromEntries(experiments.map((name) => [name, []]));
  for (const id of ids.slice(0, MOST_REQUESTS)) {
    await OpenFeature.setContext({ targetingKey: id, device_type: "mobile" });
    for (const name of experiments) {
      const details = detailed(client, name);
      found[name].push(details.reason === "SPLIT" ? details.variant : null);
    }
  }
  const { value, errorCode } = client.getStringDetails("nothing", "own");
  // The provider asks again by itself, with the ETag that it was given.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await OpenFeature.close();
  return { found, missing: { value, errorCode }, statuses: [...new Set(statuses)].sort() };
}

function detailed(client, name) {
  if (name === "flag") return client.getBooleanDetails(name, false);
  return name === "cells" ? client.getObjectDetails(name, {}) : client.getStringDetails(name, "");
}

const growthbook = await byGrowthBook();
const said = JSON.stringify({ growthbook, openfeature: await byOpenFeature() });
process.stdout.write(said, () => process.exit(0));
