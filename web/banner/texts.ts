/** The banner's words; of each purpose a title and what it means. */

import type { Purpose } from "../src/types";

type Purposes = Record<Purpose | "necessary", [string, string]>;

export interface Texts extends Purposes {
  title: string;
  description: string;
  acceptAll: string;
  rejectAll: string;
  choose: string;
  save: string;
  close: string;
  preferences: string;
  policy: string;
}

export const TEXTS: Texts = {
  title: "May we learn from your visit?",
  description:
    "With your consent we note what you look at, to make this shop better and to show what suits you. Nothing is kept about you before you agree, and you can change your mind at any time.",
  acceptAll: "Accept all",
  rejectAll: "Reject all",
  choose: "Let me choose",
  save: "Save my choice",
  close: "Close",
  preferences: "What may we do?",
  policy: "Privacy preferences",
  necessary: [
    "Necessary",
    "Keeps your basket and your decision. It needs no consent, and holds no identifier.",
  ],
  analytics: [
    "Analytics",
    "Pages, clicks, scrolling, time spent and forms sent (names of fields, never what you type).",
  ],
  personalisation: ["Personalisation", "Shows products that suit what you looked at before."],
  recording: [
    "Session recording",
    "A recording of how pages were used. Whatever you type is hidden before it leaves your browser.",
  ],
  marketing: ["Marketing", "Offers by e-mail that follow what you looked at."],
};
