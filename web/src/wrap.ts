/** Listens to a method that belongs to others too: tag managers, routers and this SDK all wrap it. */

import type { Stop } from "./types";

/**
 * Calls `after` with the arguments of each call of `target[name]`, once the call is done.
 *
 * The end gives the method back as it was if nobody has wrapped it since; otherwise their wrapper
 * stays, and what it calls here only passes on.
 */
export function wrap<N extends string, T extends Record<N, (...given: never[]) => unknown>>(
  target: T,
  name: N,
  after: (given: unknown[]) => void,
): Stop {
  type Method = (this: unknown, ...given: unknown[]) => unknown;
  const methods = target as unknown as Record<string, Method>;
  const before = methods[name] as Method;
  const wasOwn = Object.prototype.hasOwnProperty.call(target, name);
  let isOn = true;
  const own: Method = function (...given) {
    const result = before.apply(this, given);
    try {
      if (isOn) after(given);
    } catch {
      // A fault of ours is none of the page's.
    }
    return result;
  };
  methods[name] = own;
  return () => {
    isOn = false;
    if (methods[name] !== own) return;
    if (wasOwn) methods[name] = before;
    else delete methods[name];
  };
}
