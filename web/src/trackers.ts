/** The automatic trackers, started together once a person agreed. */

import { readLayer } from "./layer";
import { watchClicks } from "./track/click";
import { Dwell } from "./track/dwell";
import { watchForms } from "./track/form";
import { watchPages } from "./track/page";
import { ScrollDepth } from "./track/scroll";
import type { Options, Stop, Track } from "./types";

export interface Trackers {
  /** Reports the time on the page, which may be about to go. */
  leave(): void;
  stop: Stop;
}

/** `arrive` is called at each new page of a single-page application, before its page view. */
export function startTrackers(options: Options, track: Track, arrive: () => void): Trackers {
  const { dataLayerEvents, track: wanted = {} } = options;
  const dwell = new Dwell(track);
  const scroll = new ScrollDepth(track);
  const leave = () => {
    if (wanted.dwell !== false) dwell.report();
  };
  const begin = () => {
    arrive();
    scroll.reset();
  };
  const stops: Stop[] = [];
  if (wanted.page !== false) stops.push(watchPages(track, leave, begin));
  if (wanted.click !== false) stops.push(watchClicks(track));
  if (wanted.scroll !== false) stops.push(scroll.start());
  if (wanted.dwell !== false) stops.push(dwell.start());
  if (wanted.form !== false) stops.push(watchForms(track));
  stops.push(readLayer(track, dataLayerEvents));
  return { leave, stop: () => stops.forEach((stop) => stop()) };
}
