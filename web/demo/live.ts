/** Shows the lines of the demo's site as the collector kept them, as they come. */

import "./style.css";
import { safe } from "./catalogue";

interface Line {
  event_type: string;
  timestamp: string;
  item_id?: string;
  value?: number;
  currency?: string;
  context: { page_url?: string };
  metadata: Record<string, unknown>;
  collected: { purpose: string };
}
interface News {
  last: number;
  lines: Line[];
  counts: Record<string, number>;
}

const MOST = 200;
const PAUSE_MS = 700;
const list = document.querySelector("#events") as HTMLElement;
const status = document.querySelector("#status") as HTMLElement;
const figures = document.querySelector("#figures") as HTMLElement;
let last = 0;

/** The path of an address; whatever else a client calls one, as it is. */
function pathOf(address?: unknown): string {
  try {
    return address ? new URL(String(address)).pathname : "";
  } catch {
    return String(address);
  }
}

/** The few words that say most of an event. */
function gist({ event_type, item_id, value, currency, metadata, context }: Line): string {
  const page = pathOf(context.page_url);
  const decided = Object.entries((metadata.purposes ?? {}) as Record<string, boolean>);
  const said: Record<string, () => unknown> = {
    page_view: () => metadata.title,
    click: () => metadata.name ?? metadata.text,
    scroll: () => `${metadata.depth} %`,
    dwell: () => `${metadata.seconds} s visible, ${metadata.active_seconds} s active`,
    form_submit: () => `${metadata.form}: ${String(metadata.fields).replace(/,/g, ", ")}`,
    search: () => `“${metadata.query}”`,
    consent: () => decided.flatMap(([name, isGiven]) => (isGiven ? [name] : [])).join(", ") || "nothing allowed",
    session_recording: () => `part ${Number(metadata.sequence) + 1}`,
  };
  const parts = [said[event_type]?.(), item_id, value && `${value} ${currency ?? ""}`, page];
  return parts.filter(Boolean).map((part) => safe(String(part))).join(" · ");
}

function add(line: Line): void {
  document.querySelector("#none")?.remove();
  const row = document.createElement("li");
  const type = safe(line.event_type);
  row.innerHTML = `<details><summary><time>${safe(line.timestamp.slice(11, 19))}</time>
    <b class="type ${type}">${type}</b><span>${gist(line)}</span><em>${safe(line.collected.purpose)}</em></summary>
    <pre>${safe(JSON.stringify(line, null, 2))}</pre></details>`;
  list.prepend(row);
  while (list.childElementCount > MOST) list.lastElementChild?.remove();
}

function count(counts: Record<string, number>): void {
  figures.innerHTML = Object.entries(counts)
    .map(([name, number]) => `<li><b data-figure="${safe(name)}">${number}</b>${safe(name)}</li>`)
    .join("");
}

/** Asks for what is new; a collector that was started again counts from one again. */
async function look(): Promise<void> {
  try {
    const answer = await fetch(`/demo/api/feed?after=${last}`);
    const news = (await answer.json()) as News;
    if (news.last < last) list.innerHTML = "";
    last = news.last;
    news.lines.forEach(add);
    count(news.counts);
    status.textContent = "live";
  } catch {
    status.textContent = "no answer";
  }
  setTimeout(() => void look(), PAUSE_MS);
}

if (location.search === "?drawer") {
  document.body.classList.add("drawer");
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape") parent.postMessage("drawer:close", location.origin);
  });
}
void look();
