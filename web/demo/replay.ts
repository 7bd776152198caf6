/** Plays the recordings that the collector kept, with rrweb's player. */

import Player from "rrweb-player";
import "rrweb-player/dist/style.css";
import "./style.css";
import { safe } from "./catalogue";

interface Recording {
  recording_id: string;
  page_url: string;
  started_at: number;
  seconds: number;
  parts: number;
}

const list = document.querySelector("#recordings") as HTMLElement;
const stage = document.querySelector("#player") as HTMLElement;

async function play(id: string): Promise<void> {
  const answer = await fetch(`/demo/api/recordings/${encodeURIComponent(id)}`);
  const { started_at, lines } = (await answer.json()) as { started_at: number; lines: string };
  const events = lines.trim().split("\n").map((line) => JSON.parse(line) as { timestamp: number });
  // Parts hold times since the start; the player wants them since the epoch.
  for (const event of events) event.timestamp += started_at;
  stage.innerHTML = "";
  const width = Math.min(stage.clientWidth, 1024);
  const props = { events: events as never, width, height: Math.round(width * 0.62), autoPlay: true, mouseTail: false };
  new Player({ target: stage, props });
}

function row({ recording_id, page_url, started_at, seconds, parts }: Recording): string {
  const path = page_url ? new URL(page_url).pathname : "";
  return `<li><button data-id="${safe(recording_id)}"><b>${safe(path)}</b>
    <span>${new Date(started_at).toLocaleTimeString()} · ${Math.round(seconds)} s · ${parts} parts</span></button></li>`;
}

async function show(): Promise<void> {
  const answer = await fetch("/demo/api/recordings");
  const { recordings } = (await answer.json()) as { recordings: Recording[] };
  list.innerHTML = recordings.map(row).join("") || "<li><p class=\"hint\">None yet: allow “Session recording” in the shop's banner, look around, and come back.</p></li>";
}

list.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-id]");
  if (!button?.dataset.id) return;
  for (const other of list.querySelectorAll(".on")) other.classList.remove("on");
  button.classList.add("on");
  void play(button.dataset.id);
});
void show();
