/** Session recording: its bundle is loaded when, and only when, a person agreed to being recorded. */

import { trusted } from "./trusted";
import type { Outcome } from "./transport";
import type { Json, Stop } from "./types";

/** Sends a part of a recording. */
export type SendPart = (metadata: Record<string, Json>) => Promise<Outcome>;
/** What the recorder's bundle puts on the window. */
export type StartRecorder = (send: SendPart) => Stop;
declare global {
  interface Window {
    sparkpersoRecorder?: StartRecorder;
  }
}

export interface Recording {
  start(): void;
  /** Ends at once; what was not sent is thrown away. */
  stop(): void;
}

export function sessionRecording(bundle: string, send: SendPart): Recording {
  let isWanted = false;
  let isLoading = false;
  let stopRecorder: Stop | null | undefined;

  /** The person may have changed their mind while the bundle came. */
  const run = () => {
    if (isWanted) stopRecorder ??= window.sparkpersoRecorder?.(send);
  };
  return {
    start() {
      isWanted = true;
      if (window.sparkpersoRecorder) return run();
      if (isLoading) return;
      isLoading = true;
      const script = document.createElement("script");
      script.src = trusted("createScriptURL", bundle);
      script.onload = run;
      script.onerror = () => (isLoading = false);
      document.head.append(script);
    },
    stop() {
      isWanted = false;
      stopRecorder?.();
      stopRecorder = null;
    },
  };
}
