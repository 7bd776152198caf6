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
  all(): SentEvent[] {
    return read<SentEvent[]>(NAME) ?? [];
  }

  /** Adds an event, and says how many wait. Beyond a thousand the oldest go: a storage has its end. */
  add(event: SentEvent): number {
    return this.keep([...this.all(), event].slice(-MOST));
  }

  drop(events: SentEvent[]): void {
    const gone = new Set(events.map((event) => event.event_id));
    this.keep(this.all().filter((event) => !gone.has(event.event_id)));
  }

  clear(): void {
    remove(NAME);
  }

  private keep(events: SentEvent[]): number {
    if (events.length) write(NAME, events);
    else remove(NAME);
    return events.length;
  }
}
