/** What of a page's text may be recorded. */

/** Its first part is bounded, so that a long word takes no longer than it is long. */
const EMAIL = /[^\s@<>"'(),;:]{1,64}@[^\s@<>"'(),;:]{1,250}\.\p{L}{2,63}/gu;
/** Seven digits or more, with blanks, dots and dashes: telephone, account and card numbers. */
const NUMBER = /\+?\d(?:[ .()/-]{0,2}\d){6,}/g;

/** Of an input nothing is kept, not even its length. */
export function maskInput(): string {
  return "••••";
}

/** Hides addresses and long numbers. */
export function maskText(text: string): string {
  return text.replace(EMAIL, "•••@•••").replace(NUMBER, "•••");
}
