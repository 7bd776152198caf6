/**
 * The SDK as a script: `<script async src="…/sdk/sparkperso.js" data-key="…"></script>`, or without
 * `data-key`, and then `sparkperso.init({key: …})`.
 */

import { Client } from "./client";
import { hasOptedOut } from "./consent";
import type { Details, Json, Options, Purpose, Purposes } from "./types";

const script = document.currentScript as HTMLScriptElement | null;
const home = script?.src ? new URL(script.src).origin : location.origin;
let client: Client | null = null;

function started(): Client {
  if (!client) throw new Error("sparkperso: call sparkperso.init({key}) first");
  return client;
}

const sdk = {
  /** Starts; a second call changes nothing. */
  init(options: Options): void {
    client ??= new Client({ endpoint: home, ...options });
    dispatchEvent(new Event("sparkperso:ready"));
  },
  track: (type: string, details?: Details): void => started().track(type, details),
  identify: (userId: string, metadata?: Record<string, Json>): void =>
    started().identify(userId, metadata),
  reset: (): void => started().reset(),
  consent: {
    set: (purposes: Purposes, method?: string): void => started().decide(purposes, method),
    get: (): Purposes | null => started().decision,
    isAllowed: (purpose: Purpose): boolean => started().isAllowed(purpose),
    hasOptedOut: (): boolean => hasOptedOut(),
  },
  flush: (): Promise<void> => started().flush(),
};

export type Sdk = typeof sdk;
declare global {
  interface Window {
    sparkperso: Sdk;
  }
}

window.sparkperso = sdk;
const data = script?.dataset ?? {};
if (data.key) {
  sdk.init({
    key: data.key,
    ...(data.endpoint && { endpoint: data.endpoint }),
    ...(data.consent && { consent: data.consent as NonNullable<Options["consent"]> }),
    ...(data.policyVersion && { policyVersion: data.policyVersion }),
    ...(data.region && { region: data.region }),
  });
}
