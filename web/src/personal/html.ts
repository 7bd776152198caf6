/**
 * HTML of a content → nodes that can show something and do nothing. The server has sanitised it; this
 * is the page's own second look.
 */

import { trusted } from "../trusted";

/** What runs, loads or sends on; `set` and `animate` would change a drawing's addresses. */
const UNSAFE = "script,style,link,meta,base,iframe,frame,object,embed,template,set,animate";
/** Attributes whose values are code or styles; and addresses. */
const CODE = /^(on|style$|srcdoc)/i;
export const ADDRESS = /(href|src(set)?|action)$/i;
const WEB = /^(https?|mailto|tel):/;

/**
 * The nodes of an HTML text. They are moved into the page as they are, never written and read again.
 * Throws as `trusted` does.
 */
export function nodesOf(html: string): Node[] {
  // A document that is never shown: nothing in it is loaded or run.
  const { body } = new DOMParser().parseFromString(trusted("createHTML", html), "text/html");
  clean(body);
  return [...body.childNodes];
}

/** Takes out code, styles, frames, and addresses other than those of web, mail and telephone. */
export function clean(root: ParentNode): void {
  for (const element of root.querySelectorAll(UNSAFE)) element.remove();
  for (const element of root.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      if (CODE.test(name) || (ADDRESS.test(name) && !isWeb(value))) element.removeAttribute(name);
    }
  }
}

function isWeb(address: string): boolean {
  const link = document.createElement("a");
  link.href = address;
  return address !== "" && WEB.test(link.protocol);
}
