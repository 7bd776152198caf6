/** What `sparkperso shop` adds to the pages: slots that the API fills, and customers to sign in as. */

import { lines } from "./basket";
import { safe, type Customer, type Item, type Shop } from "./catalogue";

const LOOKED_AT = "shop.looked_at";
const SIGNED_IN = "shop.customer";
const MOST = 20;

function kept(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // It lasts as long as the page.
  }
}

const lookedAt = (): string[] => JSON.parse(kept(LOOKED_AT) ?? "[]") as string[];

/** Notes that a product was looked at, the latest last: of this tab alone. */
export function noteLook(item: Item): void {
  keep(LOOKED_AT, JSON.stringify([...lookedAt().filter((id) => id !== item.id), item.id].slice(-MOST)));
}

/** Has the page's slots filled; `inView` says what product the page is of. */
export function personalise(shop: Shop, inView: () => string | undefined): void {
  const state = document.querySelector("[data-shown-for]") as HTMLElement;
  const context = () => {
    const item = inView();
    const recent = lookedAt().filter((id) => id !== item);
    const cart = lines().map(({ item }) => item.id);
    return { ...(item && { in_view: item }), ...(cart[0] && { cart }), ...(recent[0] && { recent }) };
  };
  const onSegments = (ids: string[]) => {
    // Segments of rules have words for names, clusters numbers.
    const names = ids.filter((id) => !/-\d+$/.test(id)).map((id) => id.replace(/^[a-z]+-/, "").replace(/-/g, " "));
    state.textContent = names.join(" · ");
  };
  const { api, token_url: tokenUrl } = shop;
  void window.sparkperso.personalize({ api: api as string, tokenUrl, context, onSegments });
}

/** Fills the list of customers, and signs in and out as it is changed. */
export function watchSignIn({ customers }: Shop): void {
  const select = document.querySelector("[data-sign-in]") as HTMLSelectElement;
  const option = ({ user_id, label }: Customer) => `<option value="${safe(user_id)}">${safe(label)}</option>`;
  select.innerHTML = `<option value="">A visitor</option>${customers.map(option).join("")}`;
  select.value = kept(SIGNED_IN) ?? "";
  (select.closest("[hidden]") as HTMLElement).hidden = false;
  select.addEventListener("change", () => {
    keep(SIGNED_IN, select.value);
    keep(LOOKED_AT, "[]");
    if (select.value) window.sparkperso.identify(select.value);
    else window.sparkperso.reset();
    askForConsent();
  });
  addEventListener("sparkperso:consent", askForConsent);
  if (select.value) window.sparkperso.identify(select.value);
  askForConsent();
}

/** Says why a customer sees what everybody does, until they agree. */
function askForConsent(): void {
  const isAllowed = window.sparkperso.consent.isAllowed("personalisation");
  (document.querySelector("[data-needs-consent]") as HTMLElement).hidden = isAllowed;
}
