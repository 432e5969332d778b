// Choices kept on this device. A browser that refuses storage keeps them until the page is closed.

const KEY = 'bottleship:settings';

/**
 * @typedef {object} Settings
 * @property {'light' | 'dark' | null} theme null: as the device has it
 * @property {boolean} paper a light terminal
 * @property {boolean} projector everything larger
 * @property {boolean} screenReader the terminal speaks
 * @property {boolean} letters single-letter keys
 * @property {number} split the picture's share of the height
 * @property {'stacks' | 'rows' | 'list' | null} layout null: chosen by width
 */

/** @type {Settings} */
const settings = { theme: null, paper: false, projector: false, screenReader: false, letters: true, split: 0.48, layout: null };

try {
  const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}');
  for (const key of /** @type {(keyof Settings)[]} */ (Object.keys(settings))) {
    const fits = settings[key] === null ? typeof kept[key] === 'string' : typeof kept[key] === typeof settings[key];
    if (fits) /** @type {any} */ (settings)[key] = kept[key];
  }
} catch {
  // The defaults hold.
}

/** @type {Set<() => void>} */
const listeners = new Set();

/** @returns {Readonly<Settings>} */
export const get = () => settings;

/** @param {Partial<Settings>} change */
export function set(change) {
  Object.assign(settings, change);
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Kept until the page is closed.
  }
  apply();
  for (const listener of listeners) listener();
}

/** @param {() => void} listener */
export const onChange = (listener) => void listeners.add(listener);

function apply() {
  const root = document.documentElement;
  if (settings.theme) root.dataset.chosenTheme = settings.theme;
  else delete root.dataset.chosenTheme;
  root.dataset.theme = settings.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  if (settings.paper) root.dataset.term = 'paper';
  else delete root.dataset.term;
  root.toggleAttribute('data-projector', settings.projector);
}

/** Changes between light and dark. */
export function toggleTheme() {
  set({ theme: document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark' });
}
