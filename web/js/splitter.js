// The line between the picture and the terminal: moved by pointer or arrows, a double click puts it back.
import { h } from './dom.js';
import * as settings from './settings.js';

const DEFAULT = 0.48;
const STEP = 0.04;

/**
 * @param {HTMLElement} above @param {HTMLElement} below @param {HTMLElement} around
 * @returns {HTMLElement}
 */
export function splitter(above, below, around) {
  const bar = h('div.split-h', { role: 'separator', 'aria-orientation': 'horizontal', tabindex: 0, 'aria-label': 'Height of the picture', 'aria-valuemin': 0, 'aria-valuemax': 100 });
  /** @param {number} share @param {boolean} [keep] */
  const move = (share, keep = true) => {
    const height = around.clientHeight || 800;
    const low = Math.min(0.5, 180 / height);
    const high = Math.max(0.5, 1 - 200 / height);
    const split = Math.min(high, Math.max(low, share));
    above.style.flexGrow = String(split);
    below.style.flexGrow = String(1 - split);
    bar.setAttribute('aria-valuenow', String(Math.round(split * 100)));
    if (keep) settings.set({ split });
  };
  move(settings.get().split, false);
  bar.addEventListener('pointerdown', (down) => {
    down.preventDefault();
    bar.setPointerCapture(down.pointerId);
    const box = around.getBoundingClientRect();
    const drag = (/** @type {PointerEvent} */ e) => move((e.clientY - box.top) / box.height, false);
    bar.addEventListener('pointermove', drag);
    bar.addEventListener(
      'lostpointercapture',
      () => {
        bar.removeEventListener('pointermove', drag);
        settings.set({ split: Number(above.style.flexGrow) });
      },
      { once: true },
    );
  });
  bar.addEventListener('dblclick', () => move(DEFAULT));
  bar.addEventListener('keydown', (e) => {
    const at = Number(above.style.flexGrow);
    const to = { ArrowUp: at - STEP, ArrowDown: at + STEP, Home: 0, End: 1, Enter: DEFAULT }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    move(to);
  });
  addEventListener('resize', () => move(settings.get().split, false));
  return bar;
}
