/** Changes of a person's segments as they happen, by server-sent events. */

import { pauseOf } from "../transport";

/** Makes the address of the stream, with a token that is good now. */
type Address = () => Promise<string>;

/**
 * Gives back how to follow the stream at another address; at null, none. `hear` gets what each event
 * says.
 */
export function segmentStream(hear: (said: string) => void): (address: Address | null) => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout>;
  let failures = 0;
  let wanted: Address | null;

  const follow = async (address: Address | null) => {
    wanted = address;
    clearTimeout(timer);
    source?.close();
    if (!address) return;
    const fail = () => {
      source?.close();
      if (address === wanted) timer = setTimeout(() => follow(address), pauseOf(failures++));
    };
    const url = await address().catch(fail);
    if (!url || address !== wanted) return;
    source = new EventSource(url);
    // It would come back by itself, but with the same token, and after a 503 not at all.
    source.onerror = fail;
    source.addEventListener("segments", ({ data }) => {
      failures = 0;
      hear(data);
    });
  };
  return follow;
}
