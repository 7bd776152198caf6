/** The automatic trackers, started together once a person agreed. */

import { readLayer } from "./layer";
import { watchClicks } from "./track/click";
import { watchDwell } from "./track/dwell";
import { watchForms } from "./track/form";
import { watchPages } from "./track/page";
import { watchScroll } from "./track/scroll";
import type { Options, Stop, Track } from "./types";

export interface Trackers {
  /** Sends what is known of the page, which may be about to go: its view, and the time on it. */
  leave(): void;
  stop: Stop;
}

/**
 * `arrive` is called at each new page of a single-page application, before its page view, with true for
 * one that only sent on to another.
 */
export function startTrackers(options: Options, track: Track, arrive: (isSentOn: boolean) => void): Trackers {
  const { dataLayerEvents, track: wanted = {} } = options;
  const dwell = watchDwell(track);
  const scroll = watchScroll(track);
  const leave = () => {
    if (wanted.dwell !== false) dwell.report();
  };
  const begin = (isSentOn: boolean) => {
    arrive(isSentOn);
    scroll.reset();
  };
  const stops: Stop[] = [];
  const pages = wanted.page !== false ? watchPages(track, leave, begin) : null;
  if (pages) stops.push(pages.stop);
  if (wanted.click !== false) stops.push(watchClicks(track));
  if (wanted.scroll !== false) stops.push(scroll.start());
  if (wanted.dwell !== false) stops.push(dwell.start());
  if (wanted.form !== false) stops.push(watchForms(track));
  stops.push(readLayer(track, dataLayerEvents));
  const leavePage = () => {
    pages?.settle();
    leave();
  };
  return { leave: leavePage, stop: () => stops.forEach((stop) => stop()) };
}
