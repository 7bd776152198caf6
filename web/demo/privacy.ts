/** The page of preferences: what was decided, and another decision. */

import "./style.css";
import { TEXTS } from "../banner/texts";
import { PURPOSES, type Purposes } from "../src/types";

const form = document.querySelector("#preferences") as HTMLFormElement;
const state = document.querySelector("#state") as HTMLElement;

function row(name: (typeof PURPOSES)[number] | "necessary", more: string): string {
  const [title, text] = TEXTS[name];
  return `<label class="switch"><span><b>${title}</b>${text}</span><input type="checkbox" role="switch" name="${name}" ${more}><i></i></label>`;
}

function show(): void {
  const isOn = (name: (typeof PURPOSES)[number]) => window.sparkperso.consent.isAllowed(name);
  const rows = PURPOSES.map((name) => row(name, isOn(name) ? "checked" : ""));
  form.innerHTML = `${row("necessary", "checked disabled")}${rows.join("")}
    <div class="row"><button class="button" type="submit">Save</button>
    <button class="button second" type="button" id="withdraw">Withdraw everything</button></div>`;
  (document.querySelector("#signal") as HTMLElement).hidden = !window.sparkperso.consent.hasOptedOut();
}

function decide(purposes: Purposes): void {
  window.sparkpersoBanner.choose(purposes);
  show();
  const granted = PURPOSES.filter((name) => purposes[name]);
  state.textContent = granted.length ? `Saved. You allow: ${granted.join(", ")}.` : "Saved. You allow nothing; nothing is collected.";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const checked = new FormData(form);
  decide(Object.fromEntries(PURPOSES.map((name) => [name, checked.has(name)])));
});
form.addEventListener("click", (event) => {
  if ((event.target as Element).id === "withdraw") decide({});
});
show();
// The banner on this page changes the same decision.
addEventListener("sparkperso:consent", show);
