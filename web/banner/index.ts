/** The consent banner and its dialog: vanilla-cookieconsent, with the SDK as the decision's keeper. */

import * as CookieConsent from "vanilla-cookieconsent";
import "vanilla-cookieconsent/dist/cookieconsent.css";
import "./banner.css";
import { read, remove, write } from "../src/store";
import { PURPOSES, type Purpose, type Purposes } from "../src/types";
import { TEXTS, type Texts } from "./texts";

export interface BannerOptions {
  /** Address of the privacy policy or of the page of preferences. */
  policyUrl?: string;
  /** Own words, over the English ones. */
  texts?: Partial<Texts>;
}

/** What the library remembers, in the browser's storage under the SDK's prefix. */
const MEMORY = "banner";
const script = document.currentScript as HTMLScriptElement | null;
const styles = loadStyles();
let method = "banner";

const banner = {
  async run({ policyUrl, texts }: BannerOptions = {}): Promise<void> {
    await Promise.all([sdkStarted(), styles]);
    const decided = window.sparkperso.consent.get();
    // What the library remembers is good for as long as the SDK's decision.
    if (!decided) remove(MEMORY);
    addEventListener("sparkperso:consent", followOthers);
    addEventListener("keydown", letTabPass, true);
    await CookieConsent.run({
      autoShow: !decided,
      disablePageInteraction: false,
      cookie: { name: `sparkperso.${MEMORY}`, useLocalStorage: true },
      guiOptions: {
        consentModal: { layout: "box inline", position: "bottom left", equalWeightButtons: true },
        preferencesModal: { layout: "box", equalWeightButtons: true },
      },
      categories: { necessary: { enabled: true, readOnly: true }, ...categories() },
      language: {
        default: "en",
        translations: { en: translation({ ...TEXTS, ...texts }, policyUrl) },
      },
      onFirstConsent: keep,
      onChange: keep,
      onModalReady: ({ modalName, modal }) => {
        // The page beside it can be used: it is not modal, whatever the library writes on it.
        if (modalName === "consentModal") modal.setAttribute("aria-modal", "false");
      },
    });
    if (decided) adopt(decided);
  },
  /** Opens the dialog of purposes. */
  preferences: (): void => CookieConsent.showPreferences(),
  /** Decides without the dialog: what a page of preferences calls. */
  choose(purposes: Purposes): void {
    method = "preference_page";
    adopt(purposes);
    CookieConsent.hide();
    give(purposes);
    method = "banner";
  },
};

/** Resolves once the SDK has been started by its tag or by the page. */
function sdkStarted(): Promise<void> {
  return new Promise((done) => {
    if (window.sparkperso?.isStarted) done();
    else addEventListener("sparkperso:ready", () => done(), { once: true });
  });
}

/** The library keeps the keyboard inside the banner while the mouse is free: Tab leads on, as it does elsewhere. */
function letTabPass(event: KeyboardEvent): void {
  const isInBanner = event.target instanceof Element && event.target.closest("#cc-main .cm") !== null;
  if (event.key === "Tab" && isInBanner) event.stopPropagation();
}

/** Another tab decided: there is nothing to ask here any more. */
function followOthers(): void {
  const decided = window.sparkperso.consent.get();
  if (!decided) return;
  adopt(decided);
  CookieConsent.hide();
}

function categories(): Record<string, CookieConsent.Category> {
  const enabled = (name: Purpose) => ({ enabled: window.sparkperso.consent.isAllowed(name) });
  return Object.fromEntries(PURPOSES.map((name) => [name, enabled(name)]));
}

/** Makes the library's memory the same as a decision. */
function adopt(purposes: Purposes): void {
  const granted = PURPOSES.filter((name) => purposes[name]);
  CookieConsent.acceptCategory(["necessary", ...granted]);
}

/** Gives a decision to the SDK, once. */
function give(purposes: Purposes): void {
  const known = window.sparkperso.consent.get();
  if (!known || PURPOSES.some((name) => known[name] !== (purposes[name] === true))) {
    window.sparkperso.consent.set(purposes, method);
  }
}

/** Gives the library's decision to the SDK, and takes the id out that the library makes for it. */
function keep(): void {
  const accepted = new Set(CookieConsent.getUserPreferences().acceptedCategories);
  give(Object.fromEntries(PURPOSES.map((name) => [name, accepted.has(name)])));
  write(MEMORY, { ...read<object>(MEMORY), consentId: "none" });
}

function translation(texts: Texts, policyUrl?: string): CookieConsent.Translation {
  const footer = policyUrl ? `<a href="${encodeURI(policyUrl)}">${texts.policy}</a>` : "";
  const sections = (["necessary", ...PURPOSES] as const).map((name) => ({
    title: texts[name][0],
    description: texts[name][1],
    linkedCategory: name,
  }));
  const { acceptAll, rejectAll, choose, save, close } = texts;
  return {
    consentModal: {
      title: texts.title,
      description: texts.description,
      acceptAllBtn: acceptAll,
      acceptNecessaryBtn: rejectAll,
      showPreferencesBtn: choose,
      footer,
    },
    preferencesModal: {
      title: texts.preferences,
      acceptAllBtn: acceptAll,
      acceptNecessaryBtn: rejectAll,
      savePreferencesBtn: save,
      closeIconLabel: close,
      sections,
    },
  };
}

export type Banner = typeof banner;
declare global {
  interface Window {
    sparkpersoBanner: Banner;
  }
}

/** The banner takes the focus: without its styles it stands below the page, which jumps to it. */
function loadStyles(): Promise<unknown> {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = (script?.src ?? "/sdk/sparkperso-banner.js").replace(/\.js(\?.*)?$/, ".css");
  const loaded = new Promise((done) => {
    link.onload = done;
    // A banner without styles is better than none.
    link.onerror = done;
  });
  document.head.append(link);
  return loaded;
}

// Two tags show one banner.
if (!window.sparkpersoBanner) {
  window.sparkpersoBanner = banner;
  const policyUrl = script?.dataset.policyUrl;
  if (policyUrl !== undefined) void banner.run({ policyUrl });
}
