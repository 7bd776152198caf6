/** Text that any reader of JSON takes: no character is cut in two, and none stands as half of one. */

/** The first `most` UTF-16 units of a text, one less where that would cut a character in two. */
export const cut = (text: string, most: number): string =>
  text.slice(0, most).replace(/[\ud800-\udbff]$/, "");

/**
 * JSON with U+FFFD for each lone half of a character, which pages make by `slice`, and which no UTF-8
 * has: one would have the whole request refused. Each escape is read as a whole, so that the text
 * `\ud83d`, typed by somebody, stays as it is.
 */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value).replace(/\\(ud[89a-f]..|[^])/g, (all, code: string) =>
    code.length > 1 ? "\\ufffd" : all,
  );
}

const said = new Set<string>();

/** Says something on the page's console, once. */
export function warn(text: string): void {
  if (!said.has(text)) console.warn(`sparkperso: ${text}`);
  said.add(text);
}
