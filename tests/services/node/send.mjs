// Sends one call of each kind by an official client: node send.mjs segment|rudder URL KEY
import { Analytics } from "@segment/analytics-node";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const [, , name, url, writeKey] = process.argv;
const failures = [];

function segment() {
  const client = new Analytics({ writeKey, host: url, path: "/v1/batch", flushAt: 3 });
  client.on("error", (error) => failures.push(String(error.code ?? error)));
  return [client, () => client.closeAndFlush({ timeout: 10000 })];
}

function rudder() {
  const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: 20, gzip: true });
  const end = () =>
    new Promise((resolve) =>
      client.flush((error) => {
        if (error) failures.push(String(error));
        resolve();
      }),
    );
  return [client, end];
}

const [client, end] = name === "segment" ? segment() : rudder();
const person = { userId: `${name}-node`, anonymousId: "a-1" };
const order = { order_id: "o1", total: 30, currency: "EUR" };
const products = [
  { product_id: "p1", price: 5, quantity: 4 },
  { product_id: "p2", price: 10, quantity: 1 },
];
client.identify({ ...person, traits: { email: "ada@example.org", plan: "gold" } });
client.track({ ...person, event: "Product Viewed", properties: { product_id: "p1", price: 5 } });
client.track({ ...person, event: "Order Completed", properties: { ...order, products } });
client.page({ ...person, name: "Home", properties: { url: "https://shop.example/" } });
client.screen({ ...person, name: "Basket" });
client.group({ ...person, groupId: "g1", traits: { name: "Club" } });
client.alias({ userId: `${name}-node`, previousId: "a-1" });
await end();
if (failures.length) {
  console.error(failures.join("\n"));
  process.exit(1);
}
process.exit(0);
