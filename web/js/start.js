// The first thing that runs: the worker, and the two files that it waits for, while the page's own script still comes.
import { loadEngine } from './load.js';
import { scriptUrl } from './trusted.js';

/**
 * @typedef {{ worker: Worker, parts: ReturnType<typeof loadEngine>, failed: Promise<Error> }} Begun
 *   `failed`: settled when the worker could not be started
 */

/** Told how much has come, in bytes: loaded and total. */
export const loading = { progress: (/** @type {number} */ _loaded, /** @type {number} */ _total) => {} };

/** A worker and what it needs, on their way. @returns {Begun} */
export function begin() {
  const worker = new Worker(scriptUrl(BOTTLESHIP_WORKER), { type: 'module', name: 'docker-host' });
  /** @type {Promise<Error>} */
  const failed = new Promise((resolve) => {
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(new Error(event.message || 'the worker could not be started'));
    };
  });
  const parts = loadEngine((loaded, total) => loading.progress(loaded, total));
  // Whoever takes them hears of it; until then it is no unhandled rejection.
  for (const part of [parts.module, parts.rootfs]) part.catch(() => {});
  return { worker, parts, failed };
}

/** What of the browser is missing, in words, or nothing. */
function missing() {
  if (typeof WebAssembly !== 'object') return 'WebAssembly is switched off here. The host is a program in WebAssembly: allow it for this site, then load the page again.';
  if (typeof Worker !== 'function') return 'Workers are switched off here. The host runs in one, so that the page stays quick: allow them for this site, then load the page again.';
  return null;
}

export const problem = missing();

/** The first start's, until it is taken. @type {Begun | null} */
let first = problem ? null : begin();

/** What was begun before the page stood, or a new start. */
export function take() {
  const begun = first ?? begin();
  first = null;
  return begun;
}
