/** Events that wait to be sent: in the browser's storage, so that they outlive page and network. */

import { read, remove, write } from "./store";
import type { SentEvent } from "./types";

const NAME = "queue";
const MOST = 1000;

/**
 * All tabs of a site share the queue. Each change reads it anew, and an event leaves it by its id;
 * what two tabs send both, ingest counts as a duplicate.
 */
export class Queue {
  /** Events that storage did not take. */
  private memory: SentEvent[] = [];

  all(): SentEvent[] {
    return [...(read<SentEvent[]>(NAME) ?? []), ...this.memory];
  }

  /** Adds an event, and says how many wait. Beyond a thousand the oldest go: a storage has its end. */
  add(event: SentEvent): number {
    const stored = [...(read<SentEvent[]>(NAME) ?? []), event].slice(-MOST);
    if (write(NAME, stored)) return stored.length + this.memory.length;
    this.memory = [...this.memory, event].slice(-MOST);
    return this.memory.length;
  }

  drop(events: SentEvent[]): void {
    const gone = new Set(events.map((event) => event.event_id));
    const stays = (event: SentEvent) => !gone.has(event.event_id);
    this.memory = this.memory.filter(stays);
    const stored = (read<SentEvent[]>(NAME) ?? []).filter(stays);
    if (stored.length) write(NAME, stored);
    else remove(NAME);
  }

  clear(): void {
    this.memory = [];
    remove(NAME);
  }
}
