/**
 * The recorder's bundle: rrweb, and of what it writes that which may leave the page, sent in parts.
 *
 * A part is text: JSON of rrweb's events, with times in milliseconds since the recording's start.
 * Short times and rounded numbers keep the collector's scanner, which reads every text for card
 * numbers, from taking one for a card.
 */

import { record } from "@rrweb/record";
import type { SendPart } from "../src/recording";
import { randomId } from "../src/session";
import type { Stop } from "../src/types";
import { Parts } from "./parts";
import { maskInput } from "./mask";
import { scrub } from "./scrub";

const SEND_MS = 3000;

window.sparkpersoRecorder = (send: SendPart): Stop => {
  const parts = new Parts(randomId(), send, () => stop());
  const stopRecording = record({
    emit: (event) => {
      const safe = scrub(event, (id) => record.mirror.getNode(id));
      if (safe) parts.add(safe);
    },
    maskAllInputs: true,
    maskInputFn: maskInput,
    blockSelector: "[data-norecord],iframe",
    slimDOMOptions: "all",
    sampling: { mousemove: 100, scroll: 200 },
    inlineImages: false,
    recordCanvas: false,
  });
  const timer = setInterval(() => void parts.send(), SEND_MS);
  const stop = () => {
    clearInterval(timer);
    stopRecording?.();
    parts.clear();
  };
  const hidden = () => document.visibilityState === "hidden" && void parts.send();
  document.addEventListener("visibilitychange", hidden);
  return () => {
    document.removeEventListener("visibilitychange", hidden);
    stop();
  };
};
