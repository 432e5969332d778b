// Questions, in the browser's own modal dialogue: it keeps the focus, Escape answers no.
import { add, h } from './dom.js';

/**
 * @param {{ title: string, body?: (Node | string)[], yes: string, no?: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function ask({ title, body = [], yes, no = 'Cancel', danger = false }) {
  return new Promise((resolve) => {
    const dialog = h('dialog.ask', { 'aria-labelledby': 'ask-title' });
    const buttons = h('div.row.ask-row', null);
    const form = h('form', { method: 'dialog' }, h('h2', { id: 'ask-title' }, title), body.map((b) => (typeof b === 'string' ? h('p', null, b) : b)), buttons);
    add(buttons, [
      h('span.grow', null),
      h('button.btn', { value: 'no', type: 'submit', autofocus: danger }, no),
      h('button.btn.pri', { value: 'yes', type: 'submit', autofocus: !danger }, yes),
    ]);
    dialog.append(form);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Asks for one line.
 * @param {{ title: string, label: string, value?: string, yes: string, check?: (value: string) => string }} question
 *   `check` answers what is wrong with a value, or nothing.
 * @returns {Promise<string | null>}
 */
export function askLine({ title, label, value = '', yes, check = () => '' }) {
  return new Promise((resolve) => {
    const input = h('input.field', { value, 'aria-label': label, autofocus: true, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off' });
    const wrong = h('p.s13.wrong', { role: 'alert' });
    const form = h(
      'form',
      { method: 'dialog' },
      h('h2', { id: 'ask-title' }, title),
      h('label.s13.t2.field-label', null, label, input),
      wrong,
      h('div.row.ask-row', null, h('span.grow', null), h('button.btn', { value: 'no', type: 'button', onclick: () => dialog.close('no') }, 'Cancel'), h('button.btn.pri', { value: 'yes' }, yes)),
    );
    const dialog = h('dialog.ask', { 'aria-labelledby': 'ask-title' }, form);
    form.addEventListener('submit', (event) => {
      const problem = check(input.value);
      wrong.textContent = problem;
      if (problem) event.preventDefault();
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes' ? input.value : null);
    });
    document.body.append(dialog);
    dialog.showModal();
    input.setSelectionRange(value.lastIndexOf('/') + 1, value.length);
  });
}
