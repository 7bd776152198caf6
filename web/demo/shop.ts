/** The demo shop: a single-page application over five addresses. */

import "./style.css";
import { change, count, empty, lines } from "./basket";
import { watchDrawer } from "./drawer";
import { tell } from "./layer";
import { byId } from "./products";
import { basket, checkout, home, item, search, thanks, type View } from "./views";

const main = document.querySelector("main") as HTMLElement;
/** The address whose page is shown. */
let shown = "";

function view(): View {
  const path = location.pathname.replace(/^\/demo\/?/, "");
  const query = new URLSearchParams(location.search).get("q");
  const product = byId(path.replace(/^item\//, ""));
  if (product) return item(product);
  if (path === "search" && query) return search(query);
  const pages: Record<string, () => View> = { basket, checkout, thanks };
  return (pages[path] ?? home)();
}

/** Shows the address's page, and tells the data layer of a product or a search. */
function show(): void {
  const { title, html } = view();
  shown = location.href;
  document.title = title;
  main.innerHTML = html;
  scrollTo(0, 0);
  showCount();
  const product = byId(location.pathname.replace("/demo/item/", ""));
  const query = new URLSearchParams(location.search).get("q");
  if (product) tell("view_item", [{ product, quantity: 1 }]);
  if (query) (window.dataLayer ??= []).push({ event: "search", query });
}

function showCount(): void {
  for (const badge of document.querySelectorAll("[data-count]")) badge.textContent = String(count());
}

function go(address: string): void {
  history.pushState(null, "", address);
  show();
}

function put(id: string, by: 1 | -1): void {
  const product = byId(id);
  if (!product) return;
  change(id, by);
  tell(by > 0 ? "add_to_cart" : "remove_from_cart", [{ product, quantity: 1 }]);
  showCount();
}

function buy(): void {
  tell("purchase", lines(), { transaction_id: String(Date.now() % 1_000_000) });
  empty();
  go("/demo/thanks");
}

document.addEventListener("click", (event) => {
  const target = event.target as Element;
  const link = target.closest<HTMLAnchorElement>("a[data-link]");
  const { add, remove } = target.closest<HTMLElement>("[data-add],[data-remove]")?.dataset ?? {};
  if (add) put(add, 1);
  if (remove) {
    put(remove, -1);
    show();
  }
  if (link && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    go(link.href);
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

// "Back" may have closed the drawer alone.
addEventListener("popstate", () => location.href !== shown && show());
watchDrawer();
show();
