// What is kept of lessons in this browser. One that refuses storage keeps it until the page is closed.

const PREFIX = 'bottleship:lesson:';
/** @type {Map<string, string>} */
const memory = new Map();

/** @typedef {{ progress: string, title: string, done: number, of: number, finished: boolean, seed: string }} Kept */

/** @param {string} name @returns {Kept | null} */
export function kept(name) {
  try {
    const text = memory.get(name) ?? localStorage.getItem(PREFIX + name);
    const value = text ? JSON.parse(text) : null;
    return value && typeof value.progress === 'string' && typeof value.seed === 'string' ? value : null;
  } catch {
    return null;
  }
}

/** @param {string} name @param {Kept} value */
export function keep(name, value) {
  const text = JSON.stringify(value);
  memory.set(name, text);
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch {
    // Kept until the page is closed.
  }
}
