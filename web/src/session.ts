/**
 * Random ids: the session's, and where nobody is asked first, the browser's. Where people are asked,
 * the browser's id is the collector's cookie, which no script can read.
 */

import { read, remove, write } from "./store";

const IDLE_MS = 30 * 60 * 1000;

export interface Session {
  id: string;
  /** Milliseconds since the epoch of its last event. */
  at: number;
  /** The campaign that the session began with. */
  campaign?: string;
}

/** A random id of 128 bits. `crypto.randomUUID` is missing on plain http. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The browser's id of a site that need not ask; in the form of the collector's own. */
export function ownId(): string {
  const id = knownId() ?? `a-${randomId()}`;
  write("id", id);
  return id;
}

/** The same, if there is one. */
export function knownId(): string | null {
  return read<string>("id");
}

/** The collector's cookie stands for it now, or its person does not want it. */
export function forgetId(): void {
  remove("id");
}

/** The session, a new one after thirty idle minutes. Asked for after consent only. */
export function touchSession(campaign?: string, now = Date.now()): Session {
  const known = read<Session>("session");
  const isAlive = known !== null && now - known.at < IDLE_MS;
  const session = { ...(isAlive ? known : { id: randomId() }), at: now, ...(campaign && { campaign }) };
  write("session", session);
  return session;
}

export function forgetSession(): void {
  remove("session");
}
