// What the picture shows while there is nothing to draw: the start, an empty host, what went wrong.
import { h, icon } from '../dom.js';
import { size } from '../units.js';

/** What will stand there. */
export function ghost() {
  return h(
    'div.host',
    null,
    h('div.stage', null, h('div.gk', null, h('div.c', null, h('div', null, 'a container: your program runs here'), h('div', null, h('span', null, 'its own writable layer'))), h('div.t', null, 'the image it was made from'), h('div.l', null, 'a layer of files'), h('div.l', null, 'the layer beneath it'))),
  );
}

/** @typedef {{ loaded: number, total: number }} Progress bytes of the engine and the root file system */

/** @param {Progress} p */
const words = ({ loaded, total }) => (total ? `${size(loaded)} of ${size(total)}. Next visits start from this device.` : 'Next visits start from this device.');
/** @param {Progress} p */
const share = ({ loaded, total }) => `${total ? Math.min(100, (100 * loaded) / total) : 0}%`;

/** @param {Progress} progress */
export function skeleton(progress) {
  return h(
    'div.host.starting',
    { 'aria-busy': 'true' },
    h('div.grow.startbox', null, h('b', null, 'Starting the Docker host'), h('div.meter', null, h('i', { style: { width: share(progress) } })), h('span.s13.t2.num', null, words(progress))),
    h('div.skel', { 'aria-hidden': 'true' }, ['72px', '14px', '26px', '26px'].map((height, i) => h('span.sk', { style: { height, width: i === 1 ? '140px' : '100%' } }))),
  );
}

/** @param {Element} within @param {Progress} progress */
export function progressed(within, progress) {
  const bar = /** @type {HTMLElement | null} */ (within.querySelector('.starting .meter i'));
  if (bar) bar.style.width = share(progress);
  const text = within.querySelector('.starting .num');
  if (text) text.textContent = words(progress);
}

/** @param {'bad' | 'warn'} kind @param {string} title @param {string} text @param {HTMLElement[]} buttons @param {import('../dom.js').Child[]} [more] */
export function saying(kind, title, text, buttons, more = []) {
  return h('div.host.center', null, h('div.say.big', { role: 'alert' }, h(`div.row.${kind}`, null, icon('warn', 18), h('h2', null, title)), h('p.t2', null, text), buttons.length ? h('div.row.say-row', null, buttons) : null, ...more));
}

/** @param {string} message @param {{ start: (options?: { steal?: boolean, store?: string }) => void, reset: () => void }} actions */
export function stopped(message, actions) {
  const storage = /IndexedDB|indexedDB|storage|QuotaExceeded|SecurityError/i.test(message);
  const text = storage
    ? `This browser refuses to keep data for this page (${message}). The host can run all the same, but nothing survives a reload.`
    : message || 'The browser ended it without a word, most often because the device was short of memory.';
  return saying(
    'bad',
    storage ? 'The host has no disk' : 'The Docker host stopped',
    text,
    [h('button.btn.pri', { onclick: () => actions.start() }, 'Start again'), storage ? h('button.btn', { onclick: () => actions.start({ store: '' }) }, 'Start without keeping anything') : h('button.btn', { onclick: () => actions.reset() }, 'Start empty')],
    [h('p.s13.t2', null, storage ? 'Private windows and strict settings do this.' : 'What was saved is kept unless you start empty. It may help to close other tabs.')],
  );
}
