/** The drawer that shows what was received: it closes by its button, Esc, a tap beside it, and "back". */

const drawer = document.querySelector("#drawer") as HTMLElement;
const backdrop = document.querySelector("#backdrop") as HTMLElement;
const opener = document.querySelector<HTMLElement>("[data-live]");
const IS_OPEN = { drawer: true };

const isOpen = () => !drawer.hidden;

function show(isWanted: boolean): void {
  drawer.hidden = backdrop.hidden = !isWanted;
  opener?.setAttribute("aria-expanded", String(isWanted));
  if (isWanted) drawer.querySelector<HTMLElement>("[data-close]")?.focus();
  else opener?.focus();
}

function open(): void {
  const frame = drawer.querySelector("iframe") as HTMLIFrameElement;
  if (!frame.src) frame.src = "/demo/live?drawer";
  show(true);
  // "Back", which is how a phone closes what lies over a page, has an entry of its own to go back from.
  history.pushState(IS_OPEN, "");
}

function close(): void {
  if (!isOpen()) return;
  show(false);
  if (history.state?.drawer) history.back();
}

export function watchDrawer(): void {
  opener?.addEventListener("click", () => (isOpen() ? close() : open()));
  drawer.querySelector("[data-close]")?.addEventListener("click", close);
  backdrop.addEventListener("click", close);
  addEventListener("popstate", () => isOpen() && !history.state?.drawer && show(false));
  addEventListener("keydown", ({ key }) => key === "Escape" && close());
  // The page inside hears its own keys.
  addEventListener("message", ({ origin, data }) => origin === location.origin && data === "drawer:close" && close());
}
