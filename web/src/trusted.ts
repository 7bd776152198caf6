/** Texts that become HTML or a script's address, on pages whose policy asks for Trusted Types. */

interface Rules {
  createHTML(text: string): string;
  createScriptURL(text: string): string;
}
declare global {
  interface Window {
    trustedTypes?: { createPolicy(name: string, rules: Rules): Rules };
  }
}

const same = (text: string) => text;
let policy: Rules | undefined;

/** The text as the browser takes it. Throws where the page does not allow the policy `sparkperso`. */
export function trusted(kind: keyof Rules, text: string): string {
  policy ??= window.trustedTypes?.createPolicy("sparkperso", { createHTML: same, createScriptURL: same });
  return policy ? policy[kind](text) : text;
}
