/** What the parts of the SDK hand to each other. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export const PURPOSES = ["analytics", "personalisation", "recording", "marketing"] as const;
export type Purpose = (typeof PURPOSES)[number];
export type Purposes = Partial<Record<Purpose, boolean>>;

/** An event as the collector takes it; `metadata` is the site's own. */
export interface SentEvent {
  event_id: string;
  event_type: string;
  timestamp: string;
  session_id: string;
  user_id?: string;
  anonymous_id?: string;
  item_id?: string;
  value?: number;
  currency?: string;
  context: Record<string, string>;
  metadata: Record<string, Json>;
}

/** What a page may say of an event beside its type. */
export interface Details {
  item_id?: string;
  value?: number;
  currency?: string;
  metadata?: Record<string, Json>;
  /** ISO 8601; now, when it is not given. */
  timestamp?: string;
}

export interface Options {
  /** The site's write key. It is public: it may send, and read nothing. */
  key: string;
  /** Address of the collector; by default the one that this script came from. */
  endpoint?: string;
  /**
   * `opt-in` (default): nothing before a person agrees; `opt-out`: until a person, or the browser's
   * Global Privacy Control or Do Not Track, objects; `assumed`: the site has another legal basis.
   */
  consent?: "opt-in" | "opt-out" | "assumed";
  /** Version of the privacy policy; a decision on another version is asked for anew. */
  policyVersion?: string;
  /** ISO 3166 code of the person's country or state, where the site knows it. */
  region?: string;
  /** Automatic events; all but those set to false. */
  track?: Partial<Record<"page" | "click" | "scroll" | "dwell" | "form", boolean>>;
  /** Names of the data layer's events → event types, over the usual ones. */
  dataLayerEvents?: Record<string, string>;
  /** Address of the recorder's bundle; by default beside the SDK on the collector. */
  recorder?: string;
  /** Seconds between two sendings. */
  flushSeconds?: number;
}

export type Track = (type: string, details?: Details) => void;
/** An automatic tracker gives back how to end it. */
export type Stop = () => void;
