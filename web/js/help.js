// The help overlay: keys, and the choices kept on this device.
import { h } from './dom.js';
import * as settings from './settings.js';

/** @type {[string, [string[], string][]][]} */
const KEYS = [
  ['Anywhere', [[['F6'], 'next pane; with Shift the one before'], [['Esc', 'Esc'], 'leaves the terminal'], [['?'], 'this help']]],
  ['Outside the terminal', [[['t'], 'terminal'], [['g', 'h'], 'host'], [['g', 'f'], 'files'], [['g', 'b'], 'build'], [['g', 's'], 'sizes'], [['g', 'p'], 'preview'], [['l'], 'list, or the drawing'], [['/'], 'find'], [['['], 'undo a command'], [[']'], 'redo it']]],
  ['In the picture', [[['↑', '↓', '←', '→'], 'follow the drawing, down is beneath'], [['Enter'], 'opens'], [['Space'], 'selects'], [['c'], 'copies the ID']]],
  ['In the terminal', [[['Ctrl', 'Shift', 'C'], 'copies'], [['Ctrl', 'Shift', 'V'], 'pastes'], [['Ctrl', 'Shift', '↑'], 'reads the command before']]],
  ['In the editor', [[['Ctrl', 'S'], 'saves'], [['Ctrl', 'F'], 'finds']]],
];

/** @param {{ reset: () => void, exportAll: () => void }} actions */
export function openHelp(actions) {
  if (document.querySelector('dialog.help')) return;
  /** @param {'screenReader' | 'paper' | 'projector' | 'letters'} key @param {string} label */
  const choice = (key, label) => h('label.choice', null, h('input', { type: 'checkbox', checked: settings.get()[key], onchange: (/** @type {Event} */ e) => settings.set({ [key]: /** @type {HTMLInputElement} */ (e.target).checked }) }), label);
  const dialog = h(
    'dialog.help',
    { 'aria-labelledby': 'help-title' },
    h('form', { method: 'dialog' }, h('div.row', null, h('h2', { id: 'help-title' }, 'Keys and choices'), h('span.grow', null), h('button.btn.sm', { autofocus: true }, 'Close'))),
    h('div.keysets', null, KEYS.map(([title, keys]) => h('section', null, h('h3', null, title), h('dl', null, keys.map(([k, what]) => [h('dt', null, k.map((x) => h('kbd', null, x))), h('dd', null, what)]))))),
    h('section.choices', null, h('h3', null, 'On this device'), choice('screenReader', 'Screen reader: the terminal speaks'), choice('letters', 'Single-letter keys'), choice('paper', 'Light terminal'), choice('projector', 'Larger, for a projector')),
    h('section.choices', null, h('h3', null, 'This host'), h('p.s13.t2', null, 'It lives in this browser alone. Nothing is sent anywhere but for what you pull.'), h('div.row', null, h('button.btn.sm', { type: 'button', onclick: actions.exportAll }, 'Save everything as a file'), h('button.btn.sm', { type: 'button', onclick: () => (dialog.close(), actions.reset()) }, 'Empty the host…'))),
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (e) => e.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
