/** A recording's events, cut into parts that the collector takes. */

import type { SendPart } from "../src/recording";
import type { Recorded } from "./scrub";

/** Characters of a part: three bytes each at the worst, within the collector's 1 MB. */
const PART = 250_000;
/** Parts that may wait while the network is away; then the recording ends, since a gap spoils it. */
const MOST = 20;

export class Parts {
  private events: object[] = [];
  private waiting: string[] = [];
  private sequence = 0;
  private started = 0;
  private isSending = false;

  constructor(
    private readonly recordingId: string,
    private readonly post: SendPart,
    private readonly giveUp: () => void,
  ) {}

  add(event: Recorded): void {
    this.started ||= event.timestamp;
    this.events.push({ ...event, timestamp: event.timestamp - this.started });
  }

  /** Sends what came since the last call, in order; what fails is sent first the next time. */
  async send(): Promise<void> {
    this.cut();
    if (this.waiting.length > MOST) return this.giveUp();
    if (this.isSending) return;
    this.isSending = true;
    try {
      while (this.waiting.length && (await this.sendFirst()));
    } finally {
      this.isSending = false;
    }
  }

  clear(): void {
    this.events = [];
    this.waiting = [];
  }

  private async sendFirst(): Promise<boolean> {
    const outcome = await this.post({
      recording_id: this.recordingId,
      sequence: this.sequence,
      started_at: this.started,
      text: this.waiting[0] ?? "",
    });
    if (outcome === "again") return false;
    if (outcome !== "taken") {
      this.giveUp();
      return false;
    }
    this.sequence += 1;
    this.waiting.shift();
    return true;
  }

  /** Events are lines, so that the parts' texts, put together in order, can be read. */
  private cut(): void {
    const lines = this.events.map((event) => `${JSON.stringify(event, rounded)}\n`).join("");
    this.events = [];
    this.waiting.push(...slices(lines, PART));
  }
}

/** Cuts a text, but never between the halves of a character: no JSON may hold one alone. */
export function slices(text: string, length: number): string[] {
  const cut: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + length, text.length);
    if (end < text.length && /[\ud800-\udbff]/.test(text.charAt(end - 1))) end += 1;
    cut.push(text.slice(at, end));
    at = end;
  }
  return cut;
}

/** Two decimals place a pointer well enough. */
function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 100) / 100 : value;
}
