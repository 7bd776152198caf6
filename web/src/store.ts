/**
 * The browser's storage, or where it is full or forbidden (private windows, blocked cookies), this
 * page's memory: then nothing outlives the page, and nothing fails.
 */

const PREFIX = "sparkperso.";
/** JSON of what storage did not take. */
const memory = new Map<string, string>();

export function read<T>(name: string): T | null {
  try {
    return JSON.parse(memory.get(name) ?? localStorage.getItem(PREFIX + name) ?? "null") as T | null;
  } catch {
    return null;
  }
}

/** Says whether it will outlive the page. */
export function write(name: string, value: unknown): boolean {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
    memory.delete(name);
    return true;
  } catch {
    memory.set(name, text);
    return false;
  }
}

export function remove(...names: string[]): void {
  for (const name of names) {
    memory.delete(name);
    try {
      localStorage.removeItem(PREFIX + name);
    } catch {
      // A storage that is forbidden holds nothing.
    }
  }
}

/** Calls back when another tab wrote `name`, or emptied the storage. */
export function watch(name: string, changed: () => void): void {
  addEventListener("storage", ({ key }) => {
    if (key !== null && key !== PREFIX + name) return;
    memory.delete(name);
    changed();
  });
}
