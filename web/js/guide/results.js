// Handing in: what was learned in this browser as a file for a teacher. Nothing is sent anywhere.
import { announce } from '../announce.js';
import { h } from '../dom.js';
import { download } from '../download.js';
import { lessonModule } from '../lessonmodule.js';
import { catalogue } from './catalogue.js';
import { commands, keepLearner, kept, keptPractice, learner } from './kept.js';

/** What was taken, for the lessons' module. */
async function taken() {
  const all = [];
  for (const entry of await catalogue()) {
    const of = kept(entry.name);
    if (!of) continue;
    const response = await fetch(entry.path);
    if (!response.ok) throw new Error(`${entry.path} was answered with ${response.status}`);
    all.push({ lesson: entry.path.replace(/^\.\/lessons\/|\.md$/g, ''), source: await response.text(), seed: of.seed, progress: JSON.parse(of.progress), commands: commands(entry.name) });
  }
  const { events } = keptPractice();
  const tasks = [...new Set(events.flatMap((e) => (e.of ? [e.of] : [])))];
  if (tasks.length) all.push({ lesson: 'practice', title: 'Practice', tasks, progress: { events }, commands: commands('practice') });
  return all;
}

/** Asks for a name and a class's code, then offers the file. */
export async function saveResults() {
  if (document.querySelector('dialog.results')) return;
  const name = h('input.field', { value: learner(), maxlength: 200, autocomplete: 'off', required: true });
  const code = h('input.field', { maxlength: 200, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' });
  const wrong = h('p.s13.wrong', { role: 'alert' });
  const save = h('button.btn.pri', { type: 'submit' }, 'Save');
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'results-title' }, 'Save my results'),
    h('p', null, 'A file with what you did in lessons and practice in this browser: tasks, hints, commands and errors. Give it to your teacher. Nothing is sent.'),
    h('label.s13.t2.field-label', null, 'Your name', name),
    h('label.s13.t2.field-label', null, 'Class code, if you were given one', code),
    wrong,
    h('div.row.ask-row', null, h('span.grow', null), h('button.btn', { type: 'button', onclick: () => dialog.close() }, 'Cancel'), save),
  );
  const dialog = h('dialog.ask.results', { 'aria-labelledby': 'results-title' }, form);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    save.disabled = true;
    void (async () => {
      try {
        const all = await taken();
        if (!all.length) throw new Error('There is nothing to hand in yet: no lesson was begun in this browser.');
        const { resultFile } = await lessonModule();
        const text = resultFile(name.value.trim(), code.value.trim() || undefined, JSON.stringify(all), Date.now());
        keepLearner(name.value.trim());
        download(`results-${name.value.trim().replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60) || 'mine'}.json`, [text]);
        announce('Saved your results.');
        dialog.close();
      } catch (error) {
        wrong.textContent = /** @type {Error} */ (error).message;
        save.disabled = false;
      }
    })();
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
