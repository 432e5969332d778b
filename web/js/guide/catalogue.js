// The lessons there are, in their order.
import { fill, h, icon } from '../dom.js';
import { kept } from './kept.js';

/** @typedef {{ name: string, path: string, course: string, title: string, summary: string, level: string, minutes: number }} Entry */

/** @type {Promise<Entry[]> | undefined} */
let entries;

/** @returns {Promise<Entry[]>} */
export function catalogue() {
  entries ??= fetch('./lessons/index.json').then(async (response) => {
    if (!response.ok) throw new Error(`the list of lessons was answered with ${response.status}`);
    return response.json();
  });
  entries.catch(() => (entries = undefined));
  return entries;
}

/** It is asked for again: an author has saved a lesson. */
export const forget = () => (entries = undefined);

/** @param {HTMLElement} into @param {(name: string) => void} open */
export async function drawCatalogue(into, open) {
  let all;
  try {
    all = await catalogue();
  } catch (error) {
    return fill(into, h('div.say.bad', { role: 'alert' }, h('h2', null, 'No lessons here'), h('p', null, /** @type {Error} */ (error).message)));
  }
  const first = all.find((entry) => !kept(entry.name)?.finished);
  const item = (/** @type {Entry} */ entry, /** @type {number} */ at) => {
    const before = kept(entry.name);
    const mark = before?.finished ? h('span.mk.ok', null, icon('check', 13)) : h('span.mk', null, String(at + 1));
    const state = before?.finished ? 'done' : before?.done ? `${before.done} of ${before.of} tasks` : `${entry.minutes} min`;
    return h(
      'li',
      { class: entry === first ? 'next' : null },
      h('a.entry', { href: `?lesson=${encodeURIComponent(entry.name)}`, onclick: (/** @type {MouseEvent} */ e) => plain(e) && (e.preventDefault(), open(entry.name)) }, mark, h('span.grow', null, h('b', null, entry.title), h('span.s13.t2', null, entry.summary)), h('span.s12.dim.nowrap', null, state)),
    );
  };
  fill(
    into,
    h('h1', null, 'Lessons'),
    h('p.read', null, 'Each takes a few minutes, on a Docker host of its own in this tab. Tasks tick themselves when the host is as they ask, however you got there.'),
    first ? h('p', null, h('button.btn.pri', { onclick: () => open(first.name) }, first === all[0] ? 'Start with the first' : `Go on: ${first.title}`)) : null,
    h('ol.entries', null, all.map(item)),
    h('p.s13.t2', null, 'For teachers: ', h('a', { href: './class.html' }, 'what a class handed in'), '.'),
  );
}

/** A click that isn't meant for another tab. @param {MouseEvent} e */
const plain = (e) => !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0;
