/** Who is shown something has seen it when half of it was in view for a second. */

import type { Stop } from "../types";

const SECOND_MS = 1000;

/** Calls back each time that an element was seen, and gives back how to look no longer. */
export function whenSeen(element: Element, seen: () => void): Stop {
  let timer: ReturnType<typeof setTimeout>;
  const observer = new IntersectionObserver(
    (entries) => {
      clearTimeout(timer);
      const { intersectionRatio } = entries.pop() as IntersectionObserverEntry;
      if (intersectionRatio >= 0.5) timer = setTimeout(seen, SECOND_MS);
    },
    { threshold: 0.5 },
  );
  observer.observe(element);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
  };
}
