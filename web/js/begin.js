// The page's end of a start: a worker that begins at once, whoever takes it later.

/** @import { Boot, FromWorker } from './protocol.js' */

/** @typedef {Pick<Boot, 'store' | 'steal'>} Options */
/**
 * @typedef {{ worker: Worker, early: FromWorker[], failed: Promise<Error> }} Begun `early`: what it has said so far;
 *   `failed` is settled when it could not be started
 */

/** Whether the site's files come from this device. */
const kept = () => !!navigator.serviceWorker?.controller;

/**
 * Has a worker begin, just started.
 * @param {Worker} worker @param {Options} options @param {string} site whose registry is asked first, this page's own
 * @returns {Begun}
 */
export function beginWith(worker, { store, steal }, site) {
  /** @type {FromWorker[]} */
  const early = [];
  worker.onmessage = (event) => early.push(event.data);
  /** @type {Promise<Error>} */
  const failed = new Promise((resolve) => {
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(new Error(event.message || 'the worker could not be started'));
    };
  });
  /** @type {Boot} */
  const boot = { t: 'boot', store, steal, site, kept: kept() };
  worker.postMessage(boot);
  return { worker, early, failed };
}
