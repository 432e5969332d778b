// A class without a server: a teacher drops what learners handed in, and sees who is where, as a table, a heat map, in
// words, and command by command. Everything is read in this tab; the reading and the table are the program's own
// (`bottleship class report`).
import { announce } from './announce.js';
import { fill, h, icon, must } from './dom.js';
import { download } from './download.js';
import { lessonModule } from './lessonmodule.js';
import { seen, toFragment } from './session.js';
import * as settings from './settings.js';

/**
 * @typedef {{ state: 'done' | 'skipped' | 'stuck' | 'open', seconds: number | null, hints: number, shown: boolean }} Cell
 * @typedef {{ at: number, line: string, exit: number | null, error?: string }} Entered
 * @typedef {{ learner: string, file: string, signed: 'good' | 'bad' | 'unknown', points: number, ofPoints: number, cells: (Cell | null)[], commands: Entered[] }} Row
 * @typedef {{ lesson: string, title: string, tasks: string[], stuck: number[], rows: Row[] }} LessonReport
 * @typedef {{ lessons: LessonReport[], refused: { file: string, reason: string }[] }} Report
 */

/** Tasks and learners that are drawn of one lesson; the table file has all. */
const DRAWN = { tasks: 60, rows: 300 };
const SIGNED = { good: 'signed', bad: 'not signed with this code, or changed', unknown: 'not checked' };

/** @type {Map<string, File>} */
const dropped = new Map();
/** Counts readings: only the newest is shown. */
let reading = 0;

const code = h('input.field', { maxlength: 200, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', placeholder: 'none' });
const input = h('input', { type: 'file', multiple: true, accept: '.json,application/json', class: 'sr', id: 'files' });
const out = h('div.class-out', null);
const replay = h('section.replay', { 'aria-label': 'Commands of a learner', hidden: true });

fill(
  must('#bar-actions', HTMLElement),
  h('button.btn.sm', { 'aria-pressed': String(settings.get().projector), onclick: (/** @type {Event} */ e) => (settings.set({ projector: !settings.get().projector }), /** @type {HTMLElement} */ (e.currentTarget).setAttribute('aria-pressed', String(settings.get().projector))) }, 'Projector size'),
  h('button.btn.ghost.icon', { 'aria-label': 'Light or dark', title: 'Light or dark', onclick: settings.toggleTheme }, icon('moon')),
);
fill(
  must('#main', HTMLElement),
  h('h1', null, 'What a class did'),
  h('p.read', null, 'Learners save a file with “Save my results” in their lessons. Drop all of them here. They are read in this tab and sent nowhere.'),
  h('div.row.class-in', null, h('label.btn.pri', { for: 'files' }, icon('upload', 14), 'Choose files'), input, h('label.s13.t2.row', null, 'Class code', code), h('button.btn.ghost.sm', { onclick: clear }, 'Clear')),
  out,
  replay,
);

input.addEventListener('change', () => {
  take([...(input.files ?? [])]);
  input.value = '';
});
code.addEventListener('change', () => void read());
addEventListener('dragover', (e) => e.preventDefault());
addEventListener('drop', (e) => {
  e.preventDefault();
  take([...(e.dataTransfer?.files ?? [])]);
});

function clear() {
  dropped.clear();
  replay.hidden = true;
  void read();
}

/** @param {File[]} files */
function take(files) {
  for (const file of files) dropped.set(`${file.webkitRelativePath || file.name} ${file.size} ${file.lastModified}`, file);
  void read();
}

async function read() {
  const now = ++reading;
  if (!dropped.size) return fill(out);
  fill(out, h('p.t2', { role: 'status' }, `Reading ${dropped.size} ${dropped.size === 1 ? 'file' : 'files'}…`));
  try {
    const { BottleshipClass } = await lessonModule();
    const found = BottleshipClass.of(code.value.trim() || undefined);
    for (const file of dropped.values()) {
      const name = seen(file.webkitRelativePath || file.name);
      if (found.tooLarge(name, file.size)) continue;
      try {
        found.add(name, new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer()));
      } catch (error) {
        found.refuse(name, error instanceof TypeError ? 'it is no text' : /** @type {Error} */ (error).message);
      }
      if (now !== reading) return;
    }
    draw(JSON.parse(found.report()), { csv: () => found.csv(), html: () => found.html() });
  } catch (error) {
    fill(out, h('div.say.bad', { role: 'alert' }, h('h2', null, 'The files can’t be read'), h('p', null, /** @type {Error} */ (error).message)));
  }
}

/** @param {Report} report @param {{ csv: () => string, html: () => string }} files */
function draw(report, files) {
  const learners = new Set(report.lessons.flatMap((l) => l.rows.map((r) => r.file)));
  const forged = report.lessons.flatMap((l) => l.rows).some((r) => r.signed === 'bad');
  fill(
    out,
    report.refused.length
      ? h('div.say.warn', { role: 'alert' }, h('b', null, `${report.refused.length} ${report.refused.length === 1 ? 'file is' : 'files are'} left out`), h('ul.refused', null, report.refused.slice(0, 50).map((r) => h('li', null, h('code.wrap', null, seen(r.file)), `: ${seen(r.reason)}`)), report.refused.length > 50 ? h('li', null, `and ${report.refused.length - 50} more`) : null))
      : null,
    forged ? h('div.say.bad', null, h('b', null, 'Some signatures are bad. '), 'Such a file was signed with another code, or changed since.') : null,
    learners.size
      ? h('div.row.class-files', null, h('h2', null, `${learners.size} ${learners.size === 1 ? 'learner' : 'learners'}`), h('span.grow', null), h('button.btn.sm', { onclick: () => download('class.csv', [files.csv()]) }, icon('download', 14), 'Table (CSV)'), h('button.btn.sm', { onclick: () => download('class.html', [files.html()]) }, icon('download', 14), 'Page (HTML)'))
      : null,
    report.lessons.map(lesson),
  );
  announce(`${learners.size} ${learners.size === 1 ? 'learner' : 'learners'}, ${report.refused.length} files left out.`);
}

/** @param {LessonReport} report */
function lesson(report) {
  const tasks = report.tasks.slice(0, DRAWN.tasks);
  const rows = report.rows.slice(0, DRAWN.rows);
  const most = Math.max(...report.stuck, 0);
  const hot = (/** @type {number} */ i) => (most && report.stuck[i] === most ? 'hot' : '');
  const more = [report.tasks.length > tasks.length ? `${report.tasks.length - tasks.length} more tasks` : '', report.rows.length > rows.length ? `${report.rows.length - rows.length} more learners` : ''].filter(Boolean);
  return h(
    'section.class-lesson',
    { 'aria-label': seen(report.title || report.lesson) },
    h('h3', null, seen(report.title || report.lesson), ' ', h('span.s12.t2', null, seen(report.lesson))),
    h('p.s13', null, inWords(report)),
    h(
      'div.tablewrap',
      { tabindex: 0, role: 'group', 'aria-label': `Tasks of ${seen(report.title || report.lesson)}` },
      h(
        'table.heat',
        null,
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Learner'), tasks.map((t, i) => h('th', { scope: 'col', class: hot(i) }, seen(t))), h('th', { scope: 'col' }, 'Points'), h('th', { scope: 'col' }, 'Signature'), h('th', { scope: 'col' }, 'Last command'))),
        h('tbody', null, rows.map((row) => h('tr', null, h('th', { scope: 'row' }, h('button.link', { onclick: () => show(report, row) }, seen(row.learner) || 'no name')), tasks.map((_, i) => cell(row.cells[i], hot(i))), h('td.num', null, `${row.points} of ${row.ofPoints}`), h('td', { class: row.signed === 'bad' ? 'wrong' : 't2' }, SIGNED[row.signed]), h('td.lc', null, h('code.cut.t2', null, seen(row.commands.at(-1)?.line ?? '')))))),
        h('tfoot', null, h('tr', null, h('th', { scope: 'row' }, 'Stuck here'), tasks.map((_, i) => h('td.num', { class: hot(i), style: { '--heat': report.rows.length ? (report.stuck[i] / report.rows.length).toFixed(2) : 0 } }, String(report.stuck[i]))), h('td', { colspan: 3 }))),
      ),
    ),
    more.length ? h('p.s12.t2', null, `${more.join(' and ')} are in the table file.`) : null,
  );
}

/** @param {Cell | null | undefined} at @param {string} hot */
function cell(at, hot) {
  if (!at) return h('td', { class: hot }, h('span.sr', null, 'not theirs'));
  const words = [at.state === 'open' ? 'not started' : at.state, at.seconds === null ? '' : `${at.seconds} s`, at.hints ? `${at.hints} ${at.hints === 1 ? 'hint' : 'hints'}` : '', at.shown ? 'solution shown' : ''].filter(Boolean).join(', ');
  const mark = { done: icon('check', 12), skipped: '–', stuck: '!', open: '' }[at.state];
  return h('td', { class: hot, title: words }, h('span.g', { class: at.state, 'aria-hidden': 'true' }, mark), at.seconds !== null || at.hints ? h('span.s12.t2.num', { 'aria-hidden': 'true' }, [at.seconds === null ? '' : `${at.seconds} s`, at.hints ? `${at.hints}?` : ''].filter(Boolean).join(' ')) : null, h('span.sr', null, words));
}

/** The heat map as sentences. @param {LessonReport} report */
function inWords(report) {
  const finished = report.rows.filter((r) => r.cells.every((c) => !c || c.state === 'done' || c.state === 'skipped')).length;
  const at = report.tasks.map((task, i) => ({ task, names: report.rows.filter((r) => r.cells[i]?.state === 'stuck').map((r) => seen(r.learner) || 'no name') })).filter((t) => t.names.length).sort((a, b) => b.names.length - a.names.length);
  const names = (/** @type {string[]} */ n) => (n.length > 6 ? `${n.slice(0, 5).join(', ')} and ${n.length - 5} more` : n.join(', '));
  return [`${finished} of ${report.rows.length} finished. `, at.slice(0, 3).map((t) => [h('b', null, `${t.names.length} stuck at ${seen(t.task)}`), `: ${names(t.names)}. `])];
}

// One learner's commands -----------------------------------------------------------------------------------------------

/** @param {LessonReport} report @param {Row} row */
function show(report, row) {
  const all = row.commands;
  const title = h('h2', null, `${seen(row.learner) || 'No name'}: ${seen(report.title || report.lesson)}`);
  const close = h('button.btn.ghost.icon.sm', { 'aria-label': 'Close', onclick: () => (replay.hidden = true) }, icon('close', 14));
  replay.hidden = false;
  if (!all.length) return fill(replay, h('div.row', null, title, h('span.grow', null), close), h('p.t2', null, 'The file has no commands.'));
  let at = 0;
  const slider = h('input', { type: 'range', min: 0, max: all.length - 1, step: 1, value: 0, 'aria-label': 'Command' });
  const shown = h('div.replay-now', { role: 'log', 'aria-live': 'polite' });
  const list = h('ol.replay-list', { tabindex: 0, 'aria-label': 'All commands' });
  const link = h('a.btn.sm', { target: '_blank', rel: 'noopener noreferrer' }, icon('out', 14), 'Run up to here in a host');
  const note = h('span.s12.t2', null);
  const step = (/** @type {number} */ by) => go(Math.min(all.length - 1, Math.max(0, at + by)));
  const back = h('button.btn.sm', { 'aria-label': 'Command before', onclick: () => step(-1) }, icon('undo', 14));
  const on = h('button.btn.sm', { 'aria-label': 'Next command', onclick: () => step(1) }, icon('redo', 14));
  slider.addEventListener('input', () => go(Number(slider.value)));
  /** @param {number} to */
  function go(to) {
    at = to;
    const entry = all[at];
    const since = Math.max(0, Math.round((entry.at - all[0].at) / 1000));
    slider.value = String(at);
    slider.setAttribute('aria-valuetext', seen(entry.line));
    back.disabled = at === 0;
    on.disabled = at === all.length - 1;
    fill(shown, h('code.wrap', null, `$ ${seen(entry.line)}`), h('p.s12.t2.num', null, `${at + 1} of ${all.length}, ${Math.floor(since / 60)} min ${since % 60} s after the first, ${entry.exit === null ? 'not ended' : entry.exit ? `exit code ${entry.exit}` : 'went well'}`), entry.error ? h('pre.er.wrap', null, seen(entry.error)) : null);
    for (const [i, item] of [...list.children].entries()) {
      item.classList.toggle('todo', i > at);
      if (i === at) item.setAttribute('aria-current', 'step');
      else item.removeAttribute('aria-current');
    }
    list.children[at]?.scrollIntoView?.({ block: 'nearest' });
    void linkTo(at);
  }
  /** @param {number} to */
  async function linkTo(to) {
    try {
      const fragment = await toFragment(all.slice(0, to + 1).map((e) => ({ run: e.line })));
      if (to !== at) return;
      link.href = `./${fragment}`;
      note.textContent = 'The page asks before it runs anything.';
      link.hidden = false;
    } catch (error) {
      if (to !== at) return;
      link.hidden = true;
      note.textContent = `No link: ${/** @type {Error} */ (error).message}.`;
    }
  }
  fill(list, all.map((e) => h('li', { class: e.exit ? 'failed' : '' }, h('code.cut', null, seen(e.line)))));
  fill(replay, h('div.row', null, title, h('span.grow', null), close), h('div.row.replay-bar', null, back, slider, on, link, note), shown, list);
  go(0);
  replay.scrollIntoView({ block: 'nearest' });
  slider.focus();
}
