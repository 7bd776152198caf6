/** Session recording: its bundle is loaded when, and only when, a person agreed to being recorded. */

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

export class Recording {
  private isWanted = false;
  private isLoading = false;
  private stopRecorder: Stop | null = null;

  constructor(
    private readonly bundle: string,
    private readonly send: SendPart,
  ) {}

  start(): void {
    this.isWanted = true;
    if (window.sparkpersoRecorder) return this.run();
    if (this.isLoading) return;
    this.isLoading = true;
    const script = document.createElement("script");
    script.src = this.bundle;
    script.onload = () => this.run();
    script.onerror = () => (this.isLoading = false);
    document.head.append(script);
  }

  /** Ends at once; what was not sent is thrown away. */
  stop(): void {
    this.isWanted = false;
    this.stopRecorder?.();
    this.stopRecorder = null;
  }

  /** The person may have changed their mind while the bundle came. */
  private run(): void {
    if (!this.isWanted || this.stopRecorder || !window.sparkpersoRecorder) return;
    this.stopRecorder = window.sparkpersoRecorder(this.send);
  }
}

