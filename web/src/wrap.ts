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
  const wasOwn = target.hasOwnProperty(name);
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

/** Calls back when the page's address may have changed, with true where it took the place of the one before. */
export function watchRoutes(moved: (isReplaced: boolean) => void): Stop {
  const listen = () => moved(false);
  const stops = [wrap(history, "pushState", listen), wrap(history, "replaceState", () => moved(true))];
  addEventListener("popstate", listen);
  return () => {
    for (const stop of stops) stop();
    removeEventListener("popstate", listen);
  };
}

/** The page's address without its fragment. */
export const pageAddress = (): string => location.origin + location.pathname + location.search;
