/**
 * What of rrweb's events may leave the page. All is built from lists of what may: an attribute, a kind
 * of event or a field that is not named here does not leave, whatever rrweb or a page comes up with.
 */

import { bare } from "../src/address";
import { maskInput, maskText } from "./mask";

/** A node as rrweb writes it. */
interface Written {
  type: number;
  tagName?: string;
  attributes?: Record<string, unknown>;
  childNodes?: Written[];
  textContent?: string;
}
type Fields = Record<string, unknown>;
export interface Recorded {
  type: number;
  timestamp: number;
  data: unknown;
}
/** Where a node stands: in `data-private`, in what a person writes into, below which element. */
interface Place {
  isPrivate: boolean;
  isTyped: boolean;
  tag: string;
}
/** The page's node of one of rrweb's ids, or null. */
export type NodeOf = (id: number) => Node | null;

const [FULL, INCREMENT, META] = [2, 3, 4];
const [ELEMENT, TEXT, CDATA, COMMENT] = [2, 3, 4, 5];
const [MUTATION, INPUT, RULE, DECLARATION, SHEETS] = [0, 5, 8, 13, 15];
/** Moves, clicks, scrolling, sizes, touches, media and drags: numbers and ids of nodes. */
const MOVES = [1, 2, 3, 4, 6, 7, 12];
/** Fields of a written node beside its text, attributes and children. */
const SHAPE = ["type", "id", "tagName", "rootId", "isSVG", "isCustom", "isShadow", "isShadowHost", "needBlock"];
const DOCUMENT = ["compatMode", "name", "publicId", "systemId"];
const NOWHERE: Place = { isPrivate: true, isTyped: true, tag: "" };

const words = (text: string) => new Set(text.split(/\s+/));
/** How something looks, and nothing that it says. */
const LOOKS = words(
  `class dir lang type role rel media charset hidden disabled readonly required multiple open width height
  size rows cols colspan rowspan span align valign bgcolor border cellpadding cellspacing controls slot part
  contenteditable aria-expanded aria-hidden aria-current aria-disabled aria-busy
  rr_width rr_height rr_left rr_top rr_scrollLeft rr_scrollTop rr_open_mode rr_mediaState
  rr_mediaCurrentTime rr_mediaPlaybackRate rr_mediaMuted rr_mediaLoop rr_mediaVolume`,
);
/** Of pictures that are drawn in the page; what they name (`fill="url(#g)"`) is in the page too. */
const DRAWING = words(
  `viewBox preserveAspectRatio xmlns d x y x1 y1 x2 y2 cx cy r rx ry fx fy dx dy points transform offset
  fill fill-opacity fill-rule stroke stroke-width stroke-linecap stroke-linejoin stroke-dasharray
  stroke-dashoffset stroke-opacity stroke-miterlimit opacity clip-path clip-rule mask filter stop-color
  stop-opacity gradientUnits gradientTransform patternUnits patternTransform text-anchor font-size
  font-family font-weight dominant-baseline style _cssText`,
);
/** What was chosen. */
const CHOSEN = words("checked aria-checked aria-selected aria-pressed");
/** Words for people: masked as text is. */
const SAID = words("alt title placeholder aria-label label");
const PICTURES = words("img video audio source image");
/** What stands inside these a person wrote or chose; what stands on them is the page's. */
const CONTROLS = words("input textarea select option optgroup");
const FRAMES = words("IFRAME FRAME");
const BUTTONS = words("button submit reset");
const EDITABLE =
  "[contenteditable]:not([contenteditable=false]),[role=textbox],[role=searchbox],textarea,select";
const PRIVATE = "[data-private]";

/** Gives an event without what is personal, or null for one of a kind that is not recorded. */
export function scrub(event: Recorded, nodeOf: NodeOf): Recorded | null {
  const data = event.data as Fields;
  const of = (fields: Fields): Recorded => ({ type: event.type, timestamp: event.timestamp, data: fields });
  if (event.type < FULL) return of({});
  if (event.type === META) {
    return of({ href: bare(String(data.href)), width: data.width, height: data.height });
  }
  if (event.type === FULL) {
    const outside = { isPrivate: false, isTyped: false, tag: "" };
    return of({ node: written(data.node as Written, outside), initialOffset: data.initialOffset });
  }
  const fields = event.type === INCREMENT ? increment(data, nodeOf) : null;
  return fields && of({ source: data.source, ...fields });
}

function increment(data: Fields, nodeOf: NodeOf): Fields | null {
  const { source, id, styleId } = data;
  const place = () => placeOf(nodeOf(Number(id)));
  if (MOVES.includes(Number(source))) return data;
  if (source === MUTATION) return mutation(data, nodeOf);
  if (source === INPUT) {
    const { isPrivate } = place();
    return { id, text: maskInput(), isChecked: !isPrivate && data.isChecked === true };
  }
  if (source === RULE) {
    const { removes, replace, replaceSync } = data;
    return { id, styleId, removes, adds: rules(data.adds), replace: css(replace), replaceSync: css(replaceSync) };
  }
  if (source === DECLARATION) {
    const { index, remove } = data;
    const set = data.set as Fields | undefined;
    return { id, styleId, index, remove, ...(set && { set: { ...set, value: css(set.value) } }) };
  }
  if (source === SHEETS) {
    const styles = (data.styles as Fields[] | undefined)?.map((sheet) => ({
      styleId: sheet.styleId,
      rules: rules(sheet.rules),
    }));
    return { id, styleIds: data.styleIds, ...(styles && { styles }) };
  }
  return null;
}

function mutation(data: Fields, nodeOf: NodeOf): Fields {
  const texts = (data.texts as { id: number; value: string | null }[]).map(({ id, value }) => ({
    id,
    value: value === null ? null : textIn(value, placeOf(nodeOf(id)?.parentNode ?? null)),
  }));
  const attributes = (data.attributes as { id: number; attributes: Fields }[]).map((change) => {
    const node = nodeOf(change.id);
    const element = node instanceof Element ? node : null;
    const tag = element?.tagName.toLowerCase() ?? "";
    const type = element?.getAttribute("type") ?? "";
    return { id: change.id, attributes: kept(tag, type, change.attributes, placeOf(node)) };
  });
  // rrweb takes in what a frame has loaded, though frames are left out.
  const inPage = (data.adds as { parentId: number; node: Written }[]).filter(({ parentId }) => {
    const parent = nodeOf(parentId);
    return parent && isOfPage(parent) && !(parent instanceof Element && FRAMES.has(parent.tagName));
  });
  const adds = inPage.map((added) => ({
    ...picked(added, ["parentId", "nextId", "previousId"]),
    node: written(added.node, placeOf(nodeOf(added.parentId))),
  }));
  return { texts, attributes, adds, removes: data.removes };
}

/** The place of what is inside a node. One that is not in the page any more tells nothing of it. */
function placeOf(node: Node | null): Place {
  if (!node?.isConnected || !isOfPage(node)) return NOWHERE;
  const tag = node instanceof Element ? node.tagName.toLowerCase() : "";
  return { isPrivate: isWithin(node, PRIVATE), isTyped: isWithin(node, EDITABLE), tag };
}

const isOfPage = (node: Node) => (node.ownerDocument ?? node) === document;

/** Looks upwards, and out of shadow roots. */
function isWithin(node: Node, selector: string): boolean {
  for (let at: Node | null = node; at; at = at instanceof ShadowRoot ? at.host : at.parentNode) {
    if (at instanceof Element && at.matches(selector)) return true;
  }
  return false;
}

/** A node with all below it, of which `around` is the place. */
function written(node: Written, around: Place): Written {
  const { type, attributes = {} } = node;
  const shape = picked(node, type === ELEMENT ? SHAPE : [...SHAPE, ...DOCUMENT]) as unknown as Written;
  if (type === TEXT) return { ...shape, textContent: textIn(node.textContent ?? "", around) };
  if (type === CDATA || type === COMMENT) return { ...shape, textContent: "" };
  const inside = type === ELEMENT ? within(node, around) : around;
  const children = node.childNodes && { childNodes: node.childNodes.map((child) => written(child, inside)) };
  if (type !== ELEMENT) return { ...shape, ...children };
  const kind = String(attributes.type ?? "");
  return { ...shape, ...children, attributes: kept(inside.tag, kind, attributes, inside) };
}

const picked = (from: object, names: string[]): Fields =>
  Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));

function within({ tagName = "", attributes = {} }: Written, around: Place): Place {
  const tag = tagName.toLowerCase();
  const { contenteditable, role } = attributes;
  const isWritten =
    (contenteditable !== undefined && contenteditable !== "false") || role === "textbox" || role === "searchbox";
  return {
    isPrivate: around.isPrivate || "data-private" in attributes,
    isTyped: around.isTyped || isWritten || tag === "textarea" || tag === "select",
    tag,
  };
}

/** Text inside an element. */
function textIn(text: string, { tag, isPrivate, isTyped }: Place): string {
  if (tag === "style") return String(css(text, isPrivate));
  if (tag === "script" || tag === "noscript" || tag === "template") return "";
  if (!text.trim()) return text;
  // What can be chosen stands in the page for all; what was chosen, no event says.
  if (isTyped && tag !== "option") return maskInput();
  return isPrivate ? text.replace(/\S/g, "•") : maskText(text);
}

/** The attributes that may leave, and what of them; null stands for one that was taken away. */
function kept(tag: string, type: string, attributes: Fields, place: Place): Fields {
  const found: Fields = {};
  for (const [name, value] of Object.entries(attributes)) {
    const isGone = value === null && (isKnown(name) || name === "value");
    const safe = isGone ? null : attribute(tag, type.toLowerCase(), name, value, place);
    if (safe !== undefined && safe !== "") found[name] = safe;
  }
  return found;
}

const isKnown = (name: string) =>
  LOOKS.has(name) || DRAWING.has(name) || SAID.has(name) || CHOSEN.has(name) || /^(id|href|xlink:href|src|poster)$/.test(name);

function attribute(tag: string, type: string, name: string, value: unknown, place: Place): unknown {
  const { isPrivate, isTyped } = place;
  const isHidden = isPrivate || (isTyped && !CONTROLS.has(tag));
  if (name === "value") return valueOf(tag, type, String(value), isPrivate);
  if (LOOKS.has(name)) return value;
  if (DRAWING.has(name)) return css(value, isPrivate);
  if (name === "href" || name === "xlink:href") return linkOf(tag, String(value), isHidden);
  if (isHidden) return undefined;
  if (SAID.has(name)) return maskText(String(value));
  if (name === "id" || CHOSEN.has(name)) return value;
  if ((name === "src" || name === "poster") && PICTURES.has(tag)) return bare(String(value));
  return undefined;
}

/** Of what a person fills in there is a mask, of a button its words, of hidden fields nothing. */
function valueOf(tag: string, type: string, value: string, isPrivate: boolean): string | undefined {
  if (tag === "input" && BUTTONS.has(type)) return isPrivate ? maskInput() : maskText(value);
  if (tag === "input" && /^(hidden|checkbox|radio|file|image)$/.test(type)) return undefined;
  return /^(input|textarea|select)$/.test(tag) ? maskInput() : undefined;
}

/** Parts of the page's own drawings and style sheets; of a link, where it leads, without its query. */
function linkOf(tag: string, value: string, isHidden: boolean): string | undefined {
  if (tag === "link") return bare(value);
  const [, part = ""] = /(#[\w-]*)$/.exec(value) ?? [];
  if (tag === "use") return value === part ? part : bare(value) + part;
  if (tag !== "a" && tag !== "area") return value === part ? part : undefined;
  return isHidden || value === part ? undefined : bare(value);
}

const rules = (list: unknown): unknown =>
  (list as Fields[] | undefined)?.map(({ rule, index }) => ({ rule: css(rule), index }));

const QUOTED = `"(?:[^"\\\\]|\\\\[^])*"|'(?:[^'\\\\]|\\\\[^])*'`;
const ADDRESS = new RegExp(`url\\(\\s*(${QUOTED}|[^)]*)\\s*\\)|(@import\\s+)?(${QUOTED})`, "gi");

/**
 * A style with its addresses bare, and without those that hold what they show (`data:`); what is no
 * text stays, lists and objects part by part. Inside `data-private` nothing is shown or said at all.
 */
function css(style: unknown, isPrivate = false): unknown {
  if (Array.isArray(style)) return style.map((part) => css(part, isPrivate));
  if (typeof style === "object" && style !== null) {
    return Object.fromEntries(Object.entries(style).map(([name, part]) => [name, css(part, isPrivate)]));
  }
  if (typeof style !== "string") return style;
  return style.replace(ADDRESS, (all, url?: string, isImport?: string, quoted?: string) => {
    const address = (url ?? quoted ?? "").trim().replace(/^["']|["']$/g, "");
    if (url?.startsWith("#")) return all;
    if (url === undefined && !isImport && !isPrivate && !/^[a-z-]*:|[/?]/i.test(address)) return all;
    const safe = isPrivate ? "" : bare(address);
    if (url !== undefined) return safe ? `url("${safe}")` : "none";
    return `${isImport ?? ""}"${safe}"`;
  });
}
