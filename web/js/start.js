// The first thing that runs: the worker, and the two files that it waits for, while the page's own script still comes.
import { beginWith } from './load.js';
import { scriptUrl } from './trusted.js';

/** @import { Begun } from './load.js' */

/** Told how much has come, in bytes: loaded and total. */
export const loading = { progress: (/** @type {number} */ _loaded, /** @type {number} */ _total) => {} };

/** @returns {Begun} */
function begin() {
  const worker = new Worker(scriptUrl(BOTTLESHIP_WORKER), { type: 'module', name: 'docker-host' });
  return beginWith(worker, (loaded, total) => loading.progress(loaded, total));
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
