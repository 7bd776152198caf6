import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { write } from "../src/store";
import { ANSWER, API, FakeObserver, FakeSource, slotPage } from "./page";

const ALL = { analytics: true, personalisation: true };
const ROUTE = { ...API, tokenUrl: "https://shop.example/token" };
/** Milliseconds since 1970 at which each test begins. */
const START = 1_780_000_000_000;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
});

/** Lets what has been answered arrive. */
const settle = async () => {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
};
const after = async (milliseconds: number) => {
  mock.timers.tick(milliseconds);
  await settle();
};
const said = (layer: unknown[]) => layer.filter((it) => (it as { event: string }).event === "sparkperso.segments");
const token = (more: object) => ({ token: "t", expires_at: START / 1000 + 900, ...more });

test("with consent the user is asked for, or the browser's id, never both; without it nobody", async () => {
  const page = slotPage();
  write("id", "a-1");
  await page.personalize(API);
  page.consent.decide(ALL, "banner");
  await page.personalize();
  write("user", "u-1");
  await page.personalize();
  const [nobody, visitor, user] = page.asked.map(({ body }) => body);
  assert.deepEqual(Object.keys(nobody!).sort(), ["context", "slots"]);
  assert.deepEqual([visitor!.anonymous_id, visitor!.user_id], ["a-1", undefined]);
  assert.deepEqual([user!.anonymous_id, user!.user_id], [undefined, "u-1"]);
  assert.ok(page.asked.every(({ credentials }) => credentials === "omit"));
  assert.deepEqual(user!.context, { page: "/item/1", device_type: "desktop", language: "en" });
});

test("whoever refused is not asked for at all where the page wants it so", async () => {
  const page = slotPage();
  assert.equal(await page.personalize({ ...API, whenRefused: "nothing" }), null);
  assert.equal(page.asked.length, 0);
  assert.equal(page.slots[0]!.dataset.spState, "kept");
  page.consent.decide(ALL, "banner");
  page.meet();
  await after(50);
  assert.equal(page.asked.length, 1);
});

test("a slot shows its content, and knows its decision", async () => {
  const page = slotPage(["hero", "picks", "hero"]);
  const answer = await page.personalize({ ...API, context: () => ({ in_view: "lamp" }) });
  assert.equal(answer?.decision_id, "d1");
  assert.deepEqual(page.asked[0]!.body.slots, ["hero", "picks"]);
  assert.equal(page.asked[0]!.body.context?.in_view, "lamp");
  assert.deepEqual(page.slots.map(({ dataset }) => dataset.spState), ["filled", "kept", "filled"]);
  assert.equal(page.slots[0]!.dataset.spDecision, "d1");
  const { slot, decision_id, content_id } = page.slots[0]!.shown[0]!;
  assert.deepEqual([slot, decision_id, content_id], ["hero", "d1", "welcome"]);
});

const FAULTS: [string, unknown][] = [
  ["no network", new TypeError("Failed to fetch")],
  ["401", 401],
  ["404", 404],
  ["422", 422],
  ["429", 429],
  ["503", 503],
  ["no JSON", "<!doctype html><title>Bad gateway</title>"],
  ["null", "null"],
  ["a list", "[]"],
  ["a text", '"slots"'],
  ["no slots", { decision_id: "d1" }],
  ["slots that are none", { decision_id: "d1", slots: "hero" }],
  ["no decision", { slots: {} }],
  ["a slot that is null", { decision_id: "d1", slots: { hero: null } }],
  ["a slot that is a text", { decision_id: "d1", slots: { hero: "<p>" } }],
  ["nothing for it", { decision_id: "d1", slots: { hero: { content_id: null, body: null } } }],
  ["a list of nothing", { decision_id: "d1", slots: { hero: { format: "html", body: "<h2>", items: [] } } }],
  ["items that are none", { decision_id: "d1", slots: { hero: { format: "html", body: "<h2>", items: {} } } }],
];
for (const [name, fault] of FAULTS) {
  test(`a slot keeps what the page gave it: ${name}`, async () => {
    const page = slotPage();
    page.state.reply = () => {
      if (fault instanceof Error) throw fault;
      return fault;
    };
    await page.personalize(API);
    assert.equal(page.slots[0]!.dataset.spState, "kept");
    assert.equal(page.slots[0]!.dataset.spDecision, undefined);
    assert.deepEqual(page.slots[0]!.shown, []);
    page.state.reply = () => ANSWER;
    await page.personalize();
    assert.equal(page.slots[0]!.dataset.spState, "filled");
  });
}

test("an answer that takes longer than the time is none, and nothing is said of it", async () => {
  const page = slotPage();
  page.state.reply = (_, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
  const done = page.personalize(API);
  await after(799);
  assert.equal(page.slots[0]!.dataset.spState, undefined);
  await after(1);
  assert.equal(await done, null);
  assert.equal(page.slots[0]!.dataset.spState, "kept");
  assert.deepEqual(page.warnings, []);
});

test("a later call takes the place of an earlier one, whichever is answered first", async () => {
  const page = slotPage();
  const late: ((answer: object) => void)[] = [];
  page.state.reply = () => new Promise((done) => late.push(done));
  const calls = [page.personalize(API), page.personalize()];
  await settle();
  late[1]!({ ...ANSWER, decision_id: "second" });
  late[0]!({ ...ANSWER, decision_id: "first" });
  assert.deepEqual((await Promise.all(calls)).map((it) => it?.decision_id), [undefined, "second"]);
  assert.deepEqual(page.slots[0]!.shown.map((it) => it.decision_id), ["second"]);
});

test("a failure after a success gives the page its own back, so that no user sees another's", async () => {
  const page = slotPage();
  page.consent.decide(ALL, "banner");
  write("user", "u-1");
  await page.personalize(API);
  write("user", "u-2");
  page.state.reply = () => 503;
  page.meet();
  await after(50);
  assert.equal(page.slots[0]!.dataset.spState, "kept");
  assert.equal(page.slots[0]!.dataset.spDecision, undefined);
});

test("a token is had once while it is good, and anew for another person", async () => {
  const page = slotPage();
  page.state.reply = ({ url, body }) => (url.endsWith("/token") ? token({ token: `of ${body.user_id ?? "none"}` }) : ANSWER);
  page.consent.decide(ALL, "banner");
  write("user", "u-1");
  await page.personalize(ROUTE);
  await page.personalize();
  write("user", "u-2");
  await page.personalize();
  mock.timers.tick(891_000);
  await page.personalize();
  const routes = page.asked.filter(({ url }) => url.endsWith("/token"));
  assert.deepEqual(routes.map(({ body }) => body), [{ user_id: "u-1" }, { user_id: "u-2" }, { user_id: "u-2" }]);
  assert.ok(routes.every(({ credentials }) => credentials === "include"));
  const sent = page.asked.filter(({ url }) => url.endsWith("/v1/personalize"));
  assert.deepEqual(
    sent.map(({ headers, credentials }) => [headers.Authorization, credentials]),
    ["u-1", "u-1", "u-2", "u-2"].map((user) => [`Bearer of ${user}`, "omit"]),
  );
});

test("the site's route says whom a cookie stands for; without consent it is sent no cookie, and believed nothing", async () => {
  const page = slotPage();
  page.state.reply = ({ url }) => (url.endsWith("/token") ? token({ anonymous_id: "a-cookie" }) : ANSWER);
  await page.personalize(ROUTE);
  page.consent.decide(ALL, "banner");
  await page.personalize();
  assert.deepEqual(page.asked.map(({ credentials }) => credentials), ["omit", "omit", "include", "omit"]);
  assert.deepEqual([page.asked[1]!.body.anonymous_id, page.asked[3]!.body.anonymous_id], [undefined, "a-cookie"]);
});

test("a token that the API does not take is not used again", async () => {
  const page = slotPage();
  page.state.reply = ({ url }) => (url.endsWith("/token") ? token({}) : 401);
  await page.personalize(ROUTE);
  await page.personalize();
  assert.equal(page.asked.filter(({ url }) => url.endsWith("/token")).length, 2);
});

test("half a slot in view for a second is one exposure, per decision and slot", async () => {
  const page = slotPage(["hero", "hero"]);
  const items = [{ item_id: "i1" }, { item_id: "i2" }];
  const hero = { content_id: "welcome", variant: "b", rule: "r", format: "json", body: {}, items };
  page.state.reply = () => ({ decision_id: `d${page.asked.length}`, slots: { hero } });
  await page.personalize(API);
  FakeObserver.show(0.5);
  mock.timers.tick(999);
  FakeObserver.show(0.49);
  mock.timers.tick(5000);
  assert.deepEqual(page.tracked, []);
  FakeObserver.show(1);
  mock.timers.tick(1000);
  FakeObserver.show(1);
  mock.timers.tick(5000);
  const exposure = { slot: "hero", content_id: "welcome", variant: "b", rule: "r", item_ids: ["i1", "i2"], experiment: undefined };
  assert.deepEqual(page.tracked, [["exposure", { metadata: { decision_id: "d1", ...exposure } }]]);
  await page.personalize();
  FakeObserver.show(1);
  mock.timers.tick(1000);
  assert.deepEqual(page.tracked[1], ["exposure", { metadata: { decision_id: "d2", ...exposure } }]);
  assert.equal(page.tracked.length, 2);
});

test("each experiment that counts a slot has an exposure of its own, with its variant", async () => {
  const page = slotPage(["hero"]);
  const experiments = { "hero:2": "bold", lists: "popular" };
  const hero = { content_id: "welcome", variant: null, rule: null, format: "json", body: {}, experiments };
  page.state.reply = () => ({ decision_id: "d1", slots: { hero } });
  await page.personalize(API);
  FakeObserver.show(1);
  mock.timers.tick(1000);
  const seen = { decision_id: "d1", slot: "hero", content_id: "welcome", rule: null, item_ids: undefined };
  assert.deepEqual(page.tracked, [
    ["exposure", { metadata: { ...seen, experiment: "hero:2", variant: "bold" } }],
    ["exposure", { metadata: { ...seen, experiment: "lists", variant: "popular" } }],
  ]);
});

test("what is replaced, or hidden with its tab, before a second is over was not seen", async () => {
  const page = slotPage();
  await page.personalize(API);
  FakeObserver.show(1);
  mock.timers.tick(900);
  page.document.hidden = true;
  page.fire("visibilitychange");
  mock.timers.tick(5000);
  assert.deepEqual(page.tracked, []);
  page.document.hidden = false;
  page.fire("visibilitychange");
  await after(50);
  assert.equal(page.asked.length, 2, "a tab that is looked at again is filled anew");
  FakeObserver.show(1);
  mock.timers.tick(1000);
  assert.equal(page.tracked.length, 1);
});

test("segments go to page and data layer when they change, with consent alone", async () => {
  const page = slotPage();
  const told: string[][] = [];
  page.state.reply = () => ({ ...ANSWER, segments: ["vip", "new"] });
  const onSegments = (segments: string[]) => {
    told.push(segments);
    throw new Error("a fault of the page's");
  };
  await page.personalize({ ...API, onSegments });
  assert.deepEqual(told, []);
  page.consent.decide(ALL, "banner");
  await page.personalize();
  await page.personalize();
  assert.deepEqual(told, [["vip", "new"]]);
  assert.deepEqual(said(window.dataLayer!), [{ event: "sparkperso.segments", sparkperso: { segments: ["vip", "new"] } }]);
  page.consent.decide({}, "banner");
  await page.personalize();
  assert.deepEqual(told, [["vip", "new"], []]);
});

test("a change that is pushed is told, and asked for once, though it comes in several steps", async () => {
  const page = slotPage();
  let segments = ["new"];
  page.state.reply = ({ url, body }) => (url.endsWith("/token") ? token({ user_id: body.user_id }) : { ...ANSWER, segments });
  page.consent.decide(ALL, "banner");
  write("user", "u-1");
  const told: string[][] = [];
  await page.personalize({ ...ROUTE, onSegments: (ids) => told.push(ids) });
  assert.deepEqual(FakeSource.all.map(({ url }) => url), []);
  await settle();
  assert.deepEqual(FakeSource.open.map(({ url }) => url), ["https://api.example/v1/stream?token=t"]);
  FakeSource.open[0]!.say({ user_id: "u-1", segments: ["new"] });
  segments = ["vip"];
  FakeSource.open[0]!.say({ user_id: "u-1", segments: ["new", "vip"] });
  mock.timers.tick(299);
  FakeSource.open[0]!.say({ user_id: "u-1", segments });
  await after(299);
  assert.equal(page.slots[0]!.shown.length, 1);
  await after(1);
  assert.equal(page.slots[0]!.shown.length, 2);
  assert.deepEqual(told, [["new"], ["new", "vip"], ["vip"]]);
  assert.equal(FakeSource.all.length, 1, "the stream goes on");
});

test("a stream that fails is opened again after growing pauses, with a token that is good then", async () => {
  const page = slotPage();
  let count = 0;
  page.state.reply = ({ url, body }) =>
    url.endsWith("/token") ? { ...token({ user_id: body.user_id, token: `t${++count}` }), expires_at: 0 } : ANSWER;
  page.consent.decide(ALL, "banner");
  write("user", "u-1");
  await page.personalize(ROUTE);
  await settle();
  for (const [pause, most] of [[500, 1000], [1000, 2000], [2000, 4000]] as const) {
    const before = FakeSource.all.length;
    FakeSource.open[0]!.onerror();
    assert.deepEqual(FakeSource.open, []);
    await after(pause - 1);
    assert.equal(FakeSource.all.length, before);
    await after(most - pause + 1);
    assert.equal(FakeSource.all.length, before + 1);
  }
  assert.equal(new Set(FakeSource.all.map(({ url }) => url)).size, 4);
  assert.equal(FakeSource.open.length, 1);
});

test("a stream is followed for a user, in the tab that is looked at, until a withdrawal", async () => {
  const page = slotPage();
  page.state.reply = ({ url, body }) => (url.endsWith("/token") ? token({ user_id: body.user_id }) : ANSWER);
  page.consent.decide(ALL, "banner");
  await page.personalize(ROUTE);
  await settle();
  assert.equal(FakeSource.all.length, 0, "nobody has signed in");
  write("user", "u-1");
  await page.personalize({ ...ROUTE, live: false });
  await settle();
  assert.equal(FakeSource.all.length, 0, "the page does not want it");
  await page.personalize(ROUTE);
  await settle();
  assert.equal(FakeSource.open.length, 1);
  page.document.hidden = true;
  page.fire("visibilitychange");
  assert.equal(FakeSource.open.length, 0);
  page.document.hidden = false;
  page.fire("visibilitychange");
  await after(50);
  assert.equal(FakeSource.open.length, 1);
  page.consent.decide({}, "banner");
  page.meet();
  await after(50);
  assert.equal(FakeSource.open.length, 0);
});

test("another address of the page is asked for, the same one is not", async () => {
  const page = slotPage();
  await page.personalize(API);
  page.history.pushState(null, "", "https://shop.example/item/1?utm_source=news#below");
  await after(50);
  assert.equal(page.asked.length, 1);
  page.history.pushState(null, "", "https://shop.example/item/2");
  page.history.pushState(null, "", "https://shop.example/item/3");
  await after(50);
  assert.deepEqual(page.asked.map(({ body }) => body.context?.page), ["/item/1", "/item/3"]);
});
