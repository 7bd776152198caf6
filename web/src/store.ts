/** The browser's storage, which may be full, or forbidden: then nothing is kept, and nothing fails. */

const PREFIX = "sparkperso.";

export function read<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? "null") as T | null;
  } catch {
    return null;
  }
}

/** Says whether it could be written. */
export function write(name: string, value: unknown): boolean {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function remove(...names: string[]): void {
  try {
    for (const name of names) localStorage.removeItem(PREFIX + name);
  } catch {
    // A storage that is forbidden holds nothing.
  }
}
