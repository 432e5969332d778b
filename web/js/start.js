// The first thing that runs: the host begins while the page's own script still comes.
import { beginWith } from './begin.js';
import { store as storeOfAddress } from './guide/address.js';
import { isAsked } from './hosted/asked.js';
import { scriptUrl } from './trusted.js';

/** @import { Begun, Options } from './begin.js' */

/** @param {Options} options @returns {Begun} */
function begin(options) {
  const worker = new Worker(scriptUrl(BOTTLESHIP_WORKER), { type: 'module', name: 'docker-host' });
  return beginWith(worker, options, new URL('.', document.baseURI).href);
}

/** What of the browser is missing, in words, or nothing. */
function missing() {
  if (typeof WebAssembly !== 'object') return 'WebAssembly is switched off here. The host is a program in WebAssembly: allow it for this site, then load the page again.';
  if (typeof Worker !== 'function') return 'Workers are switched off here. The host runs in one, so that the page stays quick: allow them for this site, then load the page again.';
  return null;
}

/** A session on a server needs nothing of it. */
export const problem = isAsked() ? null : missing();

/** The database that the address asks for, empty where the browser has none. */
export const firstStore = typeof indexedDB === 'object' && indexedDB ? storeOfAddress() : '';

/** The first start's, until it is taken. @type {Begun | null} */
let first = problem || isAsked() ? null : begin({ store: firstStore, steal: false });

/** What was begun before the page stood, or a new start. @param {Options} options */
export function take(options) {
  const begun = first ?? begin(options);
  first = null;
  return begun;
}
