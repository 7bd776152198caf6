import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { scrub } from "../recorder/scrub";
import { browser } from "./browser";

/** As much of a page's nodes as the recorder asks of them. */
class FakeElement {
  isConnected = true;
  ownerDocument = globalThis.document;
  constructor(
    readonly tagName: string,
    private readonly selectors: string[] = [],
    readonly parentNode: FakeElement | null = null,
    private readonly type = "",
  ) {}
  matches = (selector: string) => this.selectors.some((one) => selector.split(",").includes(one));
  getAttribute = (name: string) => (name === "type" ? this.type : null);
}

beforeEach(() => {
  browser();
  Object.assign(globalThis, { Element: FakeElement, ShadowRoot: class {}, document: {} });
});

const none = () => null;
let ids = 0;
const text = (textContent: string) => ({ type: 3, id: ++ids, textContent });
const element = (tagName: string, attributes: object = {}, ...childNodes: object[]) => {
  return { type: 2, id: ++ids, tagName, attributes, childNodes };
};
const shot = (...nodes: object[]) => {
  const data = { node: { type: 0, id: ++ids, childNodes: nodes }, initialOffset: { left: 0, top: 0 } };
  const { node } = scrub({ type: 2, timestamp: 1, data }, none)!.data as { node: { childNodes: object[] } };
  return node.childNodes as { attributes: Record<string, unknown>; childNodes: { textContent: string }[] }[];
};
const attributesOf = (tagName: string, attributes: object) => shot(element(tagName, attributes))[0]!.attributes;
const step = (data: object, nodeOf: (id: number) => unknown = none) =>
  scrub({ type: 3, timestamp: 1, data }, nodeOf as never)?.data as Record<string, unknown> | undefined;

test("an attribute that is not known to be harmless does not leave, whatever its name", () => {
  const secret = "Anna";
  const names = ["data-email", "data-user", "content", "srcdoc", "action", "name", "srcset", "onclick", "cite",
    "aria-description", "aria-valuetext", "summary", "datetime", "is", "rr_dataURL", "rr_src", "ping", "x-custom"];
  for (const name of names) assert.deepEqual(attributesOf("div", { [name]: secret, class: "a" }), { class: "a" }, name);
});

test("what was chosen stays inside data-private, in whatever way a page writes it", () => {
  for (const name of ["checked", "aria-checked", "aria-selected", "aria-pressed"]) {
    assert.deepEqual(attributesOf("li", { [name]: "true" }), { [name]: "true" }, name);
    assert.deepEqual(attributesOf("li", { [name]: "true", "data-private": "", class: "a" }), { class: "a" }, name);
    const nodeOf = () => new FakeElement("LI", ["[data-private]"]);
    const attributes = [{ id: 1, attributes: { [name]: "true" } }];
    const change = step({ source: 0, texts: [], attributes, adds: [], removes: [] }, nodeOf);
    assert.deepEqual(change?.attributes, [{ id: 1, attributes: {} }], name);
  }
});

test("links leave without query, and not at all when they are no address of a page", () => {
  assert.deepEqual(attributesOf("a", { href: "https://a.example/x?token=1#y" }), { href: "https://a.example/x" });
  for (const href of ["tel:+49301234567", "mailto:anna@a.example", "sms:1234567", "javascript:a()", "data:text/html,x", "#anna"]) {
    assert.deepEqual(attributesOf("a", { href }), {}, href);
  }
  assert.deepEqual(attributesOf("img", { src: "https://a.example/x.png?u=anna" }), { src: "https://a.example/x.png" });
  assert.deepEqual(attributesOf("img", { src: "data:image/png;base64,AAAA" }), {});
  assert.deepEqual(attributesOf("use", { "xlink:href": "#basket" }), { "xlink:href": "#basket" });
});

test("of what is filled in there is a mask, of hidden fields nothing, of buttons their words", () => {
  const value = "Anna Lovelace";
  for (const type of ["text", "password", "email", "search", "date", "range", "color", ""]) {
    assert.deepEqual(attributesOf("input", { type, value }).value, "••••", type);
  }
  for (const type of ["hidden", "HIDDEN", "checkbox", "radio", "file"]) {
    assert.equal("value" in attributesOf("input", { type, value }), false, type);
  }
  assert.equal(attributesOf("input", { type: "submit", value: "Pay" }).value, "Pay");
  for (const tag of ["option", "data", "progress", "meter", "param"]) {
    assert.equal("value" in attributesOf(tag, { value, selected: true }), false, tag);
    assert.equal("selected" in attributesOf(tag, { value, selected: true }), false, tag);
  }
});

test("what people write into is masked, whichever element they write into", () => {
  for (const [tag, attributes] of [["div", { contenteditable: "true" }], ["div", { contenteditable: "" }],
    ["p", { role: "textbox" }], ["textarea", {}]] as const) {
    const [node] = shot(element(tag, attributes, element("b", { title: "Anna" }, text("Anna Lovelace"))));
    assert.doesNotMatch(JSON.stringify(node), /Anna|Lovelace/, tag);
  }
  const [open] = shot(element("div", { contenteditable: "false" }, text("Lamps")));
  assert.equal(open!.childNodes[0]!.textContent, "Lamps");
});

test("inside data-private nothing is said: no text, no words of attributes, no links, no pictures", () => {
  const inner = element("a", { href: "https://a.example/anna", title: "Anna", id: "anna", class: "big" },
    element("img", { alt: "Anna", src: "https://a.example/anna.png", "aria-label": "Anna" }),
    element("input", { type: "submit", value: "Anna", placeholder: "Anna", checked: true }),
    element("i", { style: 'color: red; background: url("https://a.example/anna.png")' }, text("Anna L.")));
  const [node] = shot(element("div", { "data-private": "", title: "Anna" }, inner));
  assert.doesNotMatch(JSON.stringify(node), /anna/i);
  for (const look of [/"class":"big"/, /"•••• ••"/, /color: red/]) assert.match(JSON.stringify(node), look);
});

test("words in attributes are masked as text is", () => {
  const said = "To anna@a.example, 4111 1111 1111 1111";
  for (const name of ["alt", "title", "placeholder", "aria-label"]) {
    assert.deepEqual(attributesOf("input", { [name]: said }), { [name]: "To •••@•••, •••" });
  }
});

test("styles keep their look, and lose queries and what they hold themselves", () => {
  const style = `a{background:url("https://a.example/x.png?u=anna") no-repeat;src:url(data:font/woff2;base64,AA)}
    @import 'https://a.example/s.css?u=anna'; b{fill:url(#g);font-family:"Segoe UI"}`;
  const [node] = shot(element("style", {}, text(style)));
  const kept = node!.childNodes[0]!.textContent;
  assert.doesNotMatch(kept, /anna|base64/);
  for (const look of ["no-repeat", "url(#g)", '"Segoe UI"', 'url("https://a.example/x.png")']) assert.ok(kept.includes(look), look);
  const link = attributesOf("link", { rel: "stylesheet", href: "https://a.example/s.css?u=1", _cssText: style });
  assert.doesNotMatch(JSON.stringify(link), /anna|base64|u=1/);
  const rule = { source: 8, id: 1, adds: [{ rule: style, index: 0 }], replaceSync: style };
  const sheets = { source: 15, id: 1, styleIds: [1], styles: [{ styleId: 1, rules: [{ rule: style, index: 0 }] }] };
  const declared = { source: 13, id: 1, index: [0], set: { property: "background", value: "url(/x?u=anna)" } };
  for (const event of [rule, sheets, declared]) {
    const safe = JSON.stringify(step(event));
    assert.doesNotMatch(safe, /anna|base64/);
    assert.match(safe, /https:/);
  }
});

test("changes of a page are held to the same: attributes, texts, and what is added", () => {
  const secret = new FakeElement("DIV", ["[data-private]"]);
  const nodes: Record<number, unknown> = {
    1: new FakeElement("A"),
    2: new FakeElement("SPAN", [], secret),
    3: { parentNode: new FakeElement("P", ["[role=textbox]"]) },
    4: new FakeElement("INPUT", [], null, "hidden"),
    5: { parentNode: new FakeElement("P") },
    6: new FakeElement("IFRAME"),
    7: Object.assign(new FakeElement("P"), { ownerDocument: {} }),
  };
  const safe = step(
    {
      source: 0,
      texts: [{ id: 3, value: "Anna" }, { id: 5, value: "Lamps" }, { id: 99, value: "Anna" }],
      attributes: [
        { id: 1, attributes: { href: "tel:+49301234567", "data-user": "Anna", class: "on", title: null } },
        { id: 2, attributes: { title: "Anna", style: { background: ["url(/anna.png)", ""], color: "red" } } },
        { id: 4, attributes: { value: "Anna" } },
        { id: 99, attributes: { alt: "Anna" } },
      ],
      adds: [
        { parentId: 2, nextId: null, node: text("Anna") },
        { parentId: 1, nextId: null, node: element("img", { alt: "Lamp", "data-u": "Anna" }) },
        { parentId: 6, nextId: null, node: text("Anna"), isAttachIframe: true },
        { parentId: 7, nextId: null, node: text("Anna in a frame") },
      ],
      removes: [{ parentId: 1, id: 7 }],
    },
    (id) => nodes[id] ?? null,
  )!;
  assert.doesNotMatch(JSON.stringify(safe), /anna|tel:/i);
  assert.deepEqual((safe.attributes as object[])[0], { id: 1, attributes: { class: "on", title: null } });
  assert.deepEqual((safe.texts as { value: string }[]).map(({ value }) => value), ["••••", "Lamps", "••••"]);
  assert.match(JSON.stringify(safe.adds), /"alt":"Lamp"/);
  assert.equal((safe.adds as object[]).length, 2, "nothing of a frame");
});

test("inputs give nothing away, inside data-private not even whether a box is ticked", () => {
  const nodes: Record<number, unknown> = { 1: new FakeElement("INPUT"), 2: new FakeElement("INPUT", ["[data-private]"]) };
  const input = (id: number) => step({ source: 5, id, text: "Anna", isChecked: true }, (one) => nodes[one]);
  assert.deepEqual(input(1), { source: 5, id: 1, text: "••••", isChecked: true });
  assert.deepEqual(input(2), { source: 5, id: 2, text: "••••", isChecked: false });
});

test("kinds of events that are not known do not leave", () => {
  for (const source of [9, 10, 11, 14, 16, 17, 99]) assert.equal(step({ source, id: 1, text: "Anna" }), undefined);
  for (const type of [5, 6, 7]) assert.equal(scrub({ type, timestamp: 1, data: { payload: "Anna" } }, none), null);
  const page = scrub({ type: 4, timestamp: 1, data: { href: "https://u:p@a.example/x?t=1", width: 3, height: 4, title: "Anna" } }, none);
  assert.deepEqual(page!.data, { href: "https://a.example/x", width: 3, height: 4 });
});
