// What a screen reader is told: politely, one status a change; at once, errors.
import { must } from './dom.js';

let clear = 0;

/** @param {string} text @param {'polite' | 'assertive'} [how] */
export function announce(text, how = 'polite') {
  const region = must(how === 'polite' ? '#polite' : '#assertive', HTMLElement);
  region.textContent = '';
  // An empty region between two equal texts makes the second one heard.
  requestAnimationFrame(() => (region.textContent = text));
  clearTimeout(clear);
  clear = window.setTimeout(() => (region.textContent = ''), 5000);
}
