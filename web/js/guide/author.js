// What an author writes, shown as it is saved (`bottleship lesson serve`): the pane is drawn anew, the host stays.
import { announce } from '../announce.js';
import { fill, h, icon } from '../dom.js';
import { forget } from './catalogue.js';

/** @typedef {{ path: string, file: string, error: { line: number, message: string } | null, prepares: boolean }} Changed */

/** Where the server tells of changes; the page's head says it. */
export const events = () => document.querySelector('meta[name=bottleship-author]')?.getAttribute('content') ?? null;

/**
 * @param {HTMLElement} slot for what is wrong
 * @param {{ again: (path: string) => void, startOver: () => void }} guide
 */
export function follow(slot, guide) {
  const address = events();
  if (!address) return;
  /** By file. @type {Map<string, { line: number, message: string }>} */
  const wrong = new Map();
  /** @type {string | null} */
  let prepares = null;
  const draw = () =>
    fill(
      slot,
      [...wrong].map(([file, error]) => h('div.banner.bad', { role: 'alert' }, icon('warn'), h('span.grow', null, h('b', null, `${file}:${error.line}`), ` ${error.message}`))),
      prepares && h('div.banner.warn', null, icon('warn'), h('span.grow', null, `${prepares} prepares the host otherwise now.`), h('button.btn.sm', { onclick: () => ((prepares = null), draw(), guide.startOver()) }, 'Start over')),
    );
  const source = new EventSource(address);
  source.onmessage = ({ data }) => {
    /** @type {Changed} */
    const changed = JSON.parse(data);
    if (changed.error) wrong.set(changed.file, changed.error);
    else {
      wrong.delete(changed.file);
      if (changed.prepares) prepares = changed.file;
      forget();
      guide.again(changed.path);
      announce(`${changed.file} is shown anew.`);
    }
    draw();
  };
}
