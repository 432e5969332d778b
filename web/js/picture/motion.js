// Movement: what a command changed is seen to come, move and go. One command, one movement, under 900 ms; nothing moves
// for those who asked for that, they see an outline for 2 s instead.
import { h } from '../dom.js';

const MOVE = 240;
const STAGGER = 60;
/** From here on everything comes as one block. */
const STEPS = 8;
/** An empty outline stays where something was. */
const OUTLINE = 4000;
const STILL = 2000;
const EASE = 'cubic-bezier(.2,.7,.2,1)';

const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Where things are, by key, in the coordinates of what scrolls. @typedef {Map<string, DOMRect>} Places */

/** @param {HTMLElement} host @returns {Places} */
export function places(host) {
  const { left, top } = host.getBoundingClientRect();
  const [x, y] = [host.scrollLeft - left, host.scrollTop - top];
  return new Map(
    [.../** @type {NodeListOf<HTMLElement>} */ (host.querySelectorAll('[data-key]'))].map((e) => {
      const r = e.getBoundingClientRect();
      return [e.dataset.key ?? '', new DOMRect(r.left + x, r.top + y, r.width, r.height)];
    }),
  );
}

/**
 * @param {HTMLElement} host the drawing, as it is now
 * @param {Places} before
 * @param {{ came: string[], again: string[], gone: string[], wrote: string[], from: DOMRect | null }} change keys;
 *   `from`: where pulled layers come from, on the screen
 */
export function move(host, before, { came, again, gone, wrote, from }) {
  /** @param {string} key @returns {HTMLElement | null} */
  const find = (key) => host.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const outline = (/** @type {HTMLElement} */ e) => {
    e.classList.add('changed');
    setTimeout(() => e.classList.remove('changed'), STILL);
  };
  for (const key of gone) {
    const r = before.get(key);
    if (!r || !r.width || host.matches('.lst')) continue;
    const box = h('div.gonebox', { 'aria-hidden': 'true', 'data-decor': '', style: { left: `${r.left}px`, top: `${r.top}px`, width: `${r.width}px`, height: `${r.height}px` } });
    host.append(box);
    setTimeout(() => box.remove(), OUTLINE);
  }
  if (still()) {
    for (const key of [...came, ...again]) {
      const e = find(key);
      if (e) outline(e);
    }
    return;
  }
  const now = places(host);
  const origin = host.getBoundingClientRect();
  const new_ = new Set(came);
  for (const [key, r] of now) {
    const was = before.get(key);
    const e = find(key);
    if (!was || !e || new_.has(key)) continue;
    const [dx, dy] = [was.left - r.left, was.top - r.top];
    if (Math.abs(dx) + Math.abs(dy) > 1) e.animate([{ transform: `translate(${dx}px, ${dy}px)` }, { transform: 'none' }], { duration: MOVE, easing: EASE });
  }
  came.forEach((key, i) => {
    const [e, r] = [find(key), now.get(key)];
    if (!e || !r) return;
    const travels = from && key.startsWith('l:');
    const start = travels ? `translate(${from.left - origin.left + host.scrollLeft - r.left}px, ${from.top - origin.top + host.scrollTop - r.top}px)` : 'translateY(-14px)';
    e.animate([{ transform: start, opacity: 0 }, { opacity: 1, offset: 0.4 }, { transform: 'none', opacity: 1 }], { duration: MOVE, delay: Math.min(i, STEPS - 1) * STAGGER, easing: EASE, fill: 'backwards' });
  });
  for (const key of again) find(key)?.animate([{ boxShadow: '0 0 0 0 var(--layer)' }, { boxShadow: '0 0 0 6px transparent' }], { duration: 600, easing: 'ease-out' });
  for (const key of wrote) {
    const layer = /** @type {HTMLElement | null} */ (find(key)?.querySelector('.wl, .w'));
    if (!layer) continue;
    const file = h('i.copyup', { 'aria-hidden': 'true', 'data-decor': '' });
    layer.append(file);
    const done = file.animate([{ transform: 'translateY(34px)', opacity: 0 }, { opacity: 1, offset: 0.3 }, { transform: 'none', opacity: 1, offset: 0.8 }, { opacity: 0 }], { duration: 700, easing: EASE });
    done.finished.then(() => file.remove(), () => file.remove());
  }
}
