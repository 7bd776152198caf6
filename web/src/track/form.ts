/** Forms that were sent: which, and the names of their fields; never a value. */

import { bare } from "../address";
import type { Details, Stop, Track } from "../types";
import { PRIVATE } from "./click";

export function watchForms(track: Track): Stop {
  const listen = (event: Event) => {
    const form = event.target;
    if (form instanceof HTMLFormElement && !form.closest(PRIVATE)) {
      track("form_submit", describeForm(form));
    }
  };
  document.addEventListener("submit", listen, true);
  return () => document.removeEventListener("submit", listen, true);
}

export function describeForm(form: HTMLFormElement): Details {
  const names = Array.from(form.elements, (field) => field.getAttribute("name") ?? "");
  // A form may have a field named "id" or "action", which hides the form's own.
  const attribute = (name: string) => form.getAttribute(name) ?? "";
  return {
    metadata: {
      form: attribute("id") || attribute("name"),
      action: bare(attribute("action")),
      fields: [...new Set(names.filter(Boolean))].slice(0, 50),
    },
  };
}
