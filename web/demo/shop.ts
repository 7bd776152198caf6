/** The demo shop: a single-page application over five addresses. */

import "./style.css";
import { change, count, empty, lines } from "./basket";
import { lakeCatalogue, ownCatalogue, type Catalogue, type Shop } from "./catalogue";
import { watchDrawer } from "./drawer";
import { tell } from "./layer";
import { noteLook, personalise, watchSignIn } from "./personal";
import { Views, type View } from "./views";

const main = document.querySelector("main") as HTMLElement;
const NO_SHOP: Shop = { api: null, token_url: "", customers: [], currency: null };
let catalogue: Catalogue = ownCatalogue;
let views = new Views(catalogue, false, "Lumen & Oak");
let shop = NO_SHOP;
/** The address whose page is shown, and the page. */
let address = "";
let shown: View | undefined;

async function view(): Promise<View> {
  const path = location.pathname.replace(/^\/demo\/?/, "");
  const query = new URLSearchParams(location.search).get("q");
  const [kind, id] = path.split("/");
  const item = kind === "item" && id ? await catalogue.find(decodeURIComponent(id)) : undefined;
  if (item) return views.item(item);
  if (path === "search" && query) return views.search(query);
  if (path === "basket") return views.basket();
  if (path === "checkout") return views.checkout();
  return path === "thanks" ? views.thanks() : views.home();
}

/** Shows the address's page, and tells the data layer of a product or a search. */
async function show(): Promise<void> {
  const wanted = (address = location.href);
  const page = await view();
  // Another page was asked for meanwhile.
  if (wanted !== address) return;
  shown = page;
  document.title = page.title;
  main.innerHTML = page.html;
  scrollTo(0, 0);
  showCount();
  const query = new URLSearchParams(location.search).get("q");
  if (page.item) tell("view_item", currency(), [{ item: page.item, quantity: 1 }]);
  if (query) (window.dataLayer ??= []).push({ event: "search", query });
  if (shop.api) personalise(shop, () => shown?.item?.id);
  if (page.item) noteLook(page.item);
}

const currency = () => shop.currency ?? "EUR";

function showCount(): void {
  for (const badge of document.querySelectorAll("[data-count]")) badge.textContent = String(count());
}

function go(to: string): void {
  history.pushState(null, "", to);
  void show();
}

async function put(id: string, by: 1 | -1): Promise<void> {
  const item = await catalogue.find(id);
  if (!item) return;
  change(item, by);
  tell(by > 0 ? "add_to_cart" : "remove_from_cart", currency(), [{ item, quantity: 1 }]);
  showCount();
}

function buy(): void {
  tell("purchase", currency(), lines(), { transaction_id: String(Date.now() % 1_000_000) });
  empty();
  go("/demo/thanks");
}

document.addEventListener("click", async (event) => {
  const target = event.target as Element;
  const link = target.closest<HTMLAnchorElement>("a[data-link]");
  const { add, remove } = target.closest<HTMLElement>("[data-add],[data-remove]")?.dataset ?? {};
  if (link && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    go(link.href);
  }
  if (add) await put(add, 1);
  if (remove) {
    await put(remove, -1);
    await show();
  }
});

document.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target as HTMLFormElement;
  if (form.id === "checkout") buy();
  if (form.id === "newsletter") form.innerHTML = "<p>Thank you. (This, too, is a demonstration.)</p>";
  const sought = new FormData(form).get("q");
  if (form.id === "search" && sought) go(`/demo/search?q=${encodeURIComponent(String(sought))}`);
});

/** Asks whether the shop runs over a lake, and then sells what that has. */
async function start(): Promise<void> {
  try {
    const answer = await fetch("/demo/api/config");
    if (answer.ok) shop = (await answer.json()) as Shop;
  } catch {
    // It sells its own.
  }
  if (shop.api && shop.currency) {
    catalogue = lakeCatalogue(shop.currency);
    views = new Views(catalogue, true, "The gift shop");
    watchSignIn(shop);
    (document.querySelector(".logo") as HTMLElement).innerHTML = "The <i>gift</i> shop";
  }
  await show();
}

// "Back" may have closed the drawer alone.
addEventListener("popstate", () => location.href !== address && show());
watchDrawer();
void start();
