// The lesson beside the terminal: its text, tasks that tick themselves, and the way to the next one.
import { announce } from '../announce.js';
import { ask } from '../dialog.js';
import { fill, h, icon } from '../dom.js';
import { blocks, inlines } from './blocks.js';
import { embedded } from './embedded.js';
import { keep, keepCommands, kept } from './kept.js';
import { Later } from './later.js';
import { quizElement } from './quiz.js';
import { TaskView } from './task.js';

/** @import { Host } from '../host.js' */
/** @import { Acts } from './blocks.js' */
/** @import { Model, Reply, State } from './types.js' */
/** @import { Entry } from './catalogue.js' */

/** The host is looked at when it has been quiet for so long after an event, in ms. */
const QUIET = 250;

export class LessonView {
  /** @type {Model | null} */ #model = null;
  /** @type {State | null} */ #state = null;
  /** @type {Map<string, TaskView>} */ #tasks = new Map();
  #seed = '';
  #progress = '';
  #looking = false;
  #again = false;
  /** @type {number | undefined} */ #soon;

  /**
   * @param {Entry} entry @param {Entry | null} next
   * @param {{ host: Host, type: (command: string) => void, restart: () => Promise<void>, open: (name: string) => void, fresh: () => boolean }} page
   */
  constructor(entry, next, page) {
    this.entry = entry;
    this.next = next;
    this.page = page;
    this.text = h('div.lesson', { tabindex: -1 }, h('p.t2', null, 'Opening the lesson…'));
    this.count = h('span.num.nowrap', null);
    this.bar = h('i', null);
    this.end = h('button.btn.sm', { hidden: true, onclick: () => this.next && page.open(this.next.name) }, 'Next lesson');
    this.foot = h('div.foot', null, this.count, h('span.meter', { 'aria-hidden': 'true' }, this.bar), h('button.btn.ghost.sm', { onclick: () => void this.#startOver() }, 'Start over'), this.end);
    this.strip = h('div.strip', { hidden: true });
  }

  /** Opens it on the host, which has just started, or again on one that goes on. @param {boolean} [again] */
  async open(again = false) {
    const { entry, page } = this;
    const before = kept(entry.name);
    this.#seed = before?.seed ?? seedOf();
    try {
      const response = await fetch(entry.path, { cache: again ? 'no-store' : 'default' });
      if (!response.ok) throw new Error(`${entry.path} was answered with ${response.status}`);
      const source = await response.text();
      const progress = before?.progress ?? null;
      const { model, state } = await this.#call('load', source, this.#seed, null, progress);
      this.#model = model;
      this.#draw();
      // What was done on a host that is gone is begun again. The text can be read while the host is prepared; there is
      // nothing to do before.
      if ((page.fresh() && !again) || !progress) {
        fill(this.count, 'Getting the host ready…');
        this.#took(await this.#call('start'));
      } else this.#took(state);
      await this.look();
    } catch (error) {
      fill(this.text, h('div.say.bad', { role: 'alert' }, h('h2', null, 'This lesson can’t be opened'), h('p', null, /** @type {Error} */ (error).message)));
    }
  }

  /** @param {string} verb @param {...unknown} args @returns {Promise<any>} */
  async #call(verb, ...args) {
    const { value, progress } = await this.page.host.call('lesson', verb, args);
    this.#progress = progress;
    this.#keep();
    return value;
  }

  /** Keeps how far the learner is. */
  #keep() {
    const state = this.#state;
    if (!this.#model || !state) return;
    const done = state.tasks.filter((t) => t.stage === 'done' || t.stage === 'skipped').length;
    keep(this.entry.name, { progress: this.#progress, title: this.#model.title, done, of: state.tasks.length, finished: state.finished, seed: this.#seed });
  }

  #later = new Later(
    () => void (this.#state?.finished || this.look()),
    () => this.text.isConnected,
  );

  /** A command has ended. */
  commandEnded() {
    void this.look();
    this.#later.begin();
    this.page.host.call('lesson', 'commands', []).then(({ value }) => keepCommands(this.entry.name, value), () => {});
  }

  #draw() {
    const model = /** @type {Model} */ (this.#model);
    this.#tasks = new Map(
      model.tasks.map((task, i) => [
        task.id,
        new TaskView(task, i + 1, {
          hint: (id) => void this.#call('hint', id).then((state) => this.#took(state)),
          solution: (id) => this.#call('solution', id),
          redraw: () => this.#redraw(),
          skip: (id) => void this.#call('skip', id).then((state) => (this.#took(state), this.look())),
          type: this.page.type,
        }),
      ]),
    );
    /** @type {Acts} */
    const acts = {
      run: (fence) => this.page.type(fence.run ?? ''),
      save: (fence) => void this.#save(fence.saveAs ?? '', fence.text),
      task: (id) => this.#tasks.get(id)?.element ?? document.createTextNode(''),
      quiz: (quiz, choices, many) => quizElement(quiz, choices, many, acts, (q, chosen) => this.#answer(q, chosen)),
    };
    // A file that reads well by itself begins with its title, which is shown already.
    const [first] = model.blocks;
    const titled = first?.type === 'heading' && first.level === 1;
    const body = blocks(titled ? model.blocks.slice(1) : model.blocks, acts);
    const placed = new Set(model.blocks.flatMap((block) => (block.type === 'task' ? [block.task] : [])));
    const rest = model.tasks.filter((task) => !placed.has(task.id)).map((task) => acts.task(task.id));
    fill(this.text, h('h1', null, model.title), h('article.read', { lang: model.lang }, body, rest.length ? h('div.tasks', null, rest) : null));
  }

  /** @param {string} path @param {string} text */
  async #save(path, text) {
    const whole = path.startsWith('/') ? path : `/root/${path}`;
    try {
      const parts = whole.split('/').slice(1, -1);
      for (let i = 1; i <= parts.length; i++) await this.page.host.call('makeDir', `/${parts.slice(0, i).join('/')}`).catch(() => {});
      await this.page.host.call('writeFile', whole, new TextEncoder().encode(`${text}\n`));
      announce(`Saved ${whole}.`);
      void this.look();
    } catch (error) {
      announce(`${whole} can't be saved: ${/** @type {Error} */ (error).message}`, 'assertive');
    }
  }

  /** @param {number} quiz @param {number[]} chosen @returns {Promise<Reply>} */
  async #answer(quiz, chosen) {
    const { reply, state } = await this.#call('answer', quiz, chosen);
    this.#took(state);
    return reply;
  }

  /** Something happened on the host. */
  touched() {
    clearTimeout(this.#soon);
    this.#soon = window.setTimeout(() => void this.look(), QUIET);
  }

  /** Looks at the host, once at a time. */
  async look() {
    if (!this.#model) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      this.#took(await this.#call('look'));
    } catch (error) {
      console.warn(`the lesson could not look at the host: ${/** @type {Error} */ (error).message}`);
    }
    this.#looking = false;
    if (this.#again) {
      this.#again = false;
      void this.look();
    }
  }

  /** @param {State} state */
  #took(state) {
    // What only a look tells stays until the next one.
    for (const task of state.tasks) {
      const before = this.#state?.tasks.find((t) => t.id === task.id);
      if (before && !task.checks.length && before.stage === task.stage) Object.assign(task, { checks: before.checks, nudges: before.nudges });
    }
    this.#state = state;
    this.#redraw();
    const done = state.news.map((id) => `Task ${this.#tasks.get(id)?.number} done.`);
    if (done.length) {
      announce(state.finished ? `${done.join(' ')} The lesson is finished.` : done.join(' '));
      this.page.host.emit('task', { lesson: this.entry.name, done: state.news, finished: state.finished });
    }
    this.#keep();
  }

  #redraw() {
    const state = this.#state;
    if (!state) return;
    const current = state.tasks.find((t) => t.stage === 'now');
    for (const task of state.tasks) this.#tasks.get(task.id)?.draw(task, task === current);
    const done = state.tasks.filter((t) => t.stage === 'done' || t.stage === 'skipped').length;
    this.count.textContent = `${done} of ${state.tasks.length} tasks`;
    this.bar.style.width = `${state.tasks.length ? (100 * done) / state.tasks.length : 0}%`;
    this.end.hidden = !this.next;
    this.end.classList.toggle('pri', state.finished);
    this.#drawStrip(current);
  }

  /** The task to do, where the lesson itself is out of sight. @param {State['tasks'][0] | undefined} current */
  #drawStrip(current) {
    const view = current && this.#tasks.get(current.id);
    this.strip.hidden = false;
    const large = embedded() ? h('a.btn.ghost.sm', { href: `?lesson=${encodeURIComponent(this.entry.name)}`, target: '_blank', rel: 'noopener' }, icon('out', 14), 'Open large') : null;
    const solve = view && embedded() ? h('button.btn.pri.sm', { onclick: (/** @type {Event} */ e) => (e.stopPropagation(), void this.#call('solution', view.task.id).then((text) => this.page.type(text))) }, 'Do it for me') : null;
    // The bar and the lesson with their headings are out of sight there.
    const heading = embedded() ? h('h1.sr', null, /** @type {Model} */ (this.#model).title) : null;
    if (!view) return fill(this.strip, heading, h('span.mk.ok', { 'aria-hidden': 'true' }, icon('check', 13)), h('span.grow', null, 'Lesson finished'), this.next ? h('button.btn.sm', { onclick: () => this.next && this.page.open(this.next.name) }, 'Next lesson') : null, large);
    fill(this.strip, heading, h('span.mk', { 'aria-hidden': 'true' }, String(view.number)), h('span.grow', null, inlines(view.task.title)), h('button.btn.sm', null, 'Read'), solve, large);
  }

  /** The host is emptied and prepared anew. */
  async startOver() {
    for (const task of this.#tasks.values()) task.forget();
    this.#state = null;
    await this.page.restart();
  }

  async #startOver() {
    const sure = await ask({ title: 'Start the lesson over?', body: ['Its host is emptied, with all images, containers and files that you made in this lesson. Other lessons and the playground keep theirs.'], yes: 'Start over', danger: true });
    if (sure) await this.startOver();
  }
}

/** A variant for this learner. */
function seedOf() {
  return [...crypto.getRandomValues(new Uint8Array(6))].map((b) => b.toString(16).padStart(2, '0')).join('');
}
