// One drill: its text, what must be true, hints, the solution, a clock, and how many commands it took.
import { announce } from '../announce.js';
import { fill, h, icon } from '../dom.js';
import { lessonModule } from '../lessonmodule.js';
import { blocks, inlines } from './blocks.js';
import { keepCommands } from './kept.js';
import { Later } from './later.js';
import { clock } from './practice.js';
import { code } from './task.js';

/** @import { Host } from '../host.js' */
/** @import { LogEvent } from './kept.js' */
/** @import { Bank, Listed, Went } from './practice.js' */
/** @import { Model, State } from './types.js' */

/** The host is looked at when it has been quiet for so long after an event, in ms. */
const QUIET = 250;
/** The drill's only task, as the engine calls it. */
const TASK = 'drill';

export class DrillView {
  /** @type {Model | null} */ #model = null;
  /** @type {State['tasks'][0] | null} */ #task = null;
  /** @type {{ par: number } | null} */ #drill = null;
  #began = 0;
  #shown = '';
  /** The lines that were entered and have ended. @type {string[]} */ #lines = [];
  /** The one that runs. */ #running = '';
  #looking = false;
  #again = false;
  #ending = false;
  /** @type {number | undefined} */ #soon;
  /** @type {number | undefined} */ #tick;
  /** How it ended. @type {Went | null} */ over = null;

  /**
   * @param {Listed} listed @param {Bank} bank @param {string} seed
   * @param {{ host: Host, type: (command: string) => void, ended: (went: Went, events: LogEvent[]) => void, next: () => void, restart: () => Promise<void>, last: () => boolean }} page
   */
  constructor(listed, bank, seed, page) {
    this.listed = listed;
    this.bank = bank;
    this.seed = seed;
    this.page = page;
    this.time = h('span.num', { role: 'timer', 'aria-label': 'Time' }, '0:00');
    this.body = h('div', null);
    this.task = h('div.drill-state', null);
    this.element = h('div', null, h('h1', null, listed.title), h('p.s13.t2.row.about', null, h('span', null, `${bank.title}, ${listed.level}`), h('span.grow', null), this.time, h('span', null, `of about ${clock(listed.seconds)}`)), this.body, this.task);
  }

  /** Opens it on the host, which has just started. */
  async open() {
    if (this.#model) return;
    try {
      const response = await fetch(this.bank.path);
      if (!response.ok) throw new Error(`${this.bank.path} was answered with ${response.status}`);
      const { model, state, drill } = await this.#call('draw', await response.text(), this.listed.id, this.seed);
      fill(this.task, h('p.t2', null, 'Preparing the host…'));
      await this.#call('start');
      this.#model = model;
      this.#drill = drill;
      this.#began = Date.now();
      this.#tick = window.setInterval(() => this.#drawTime(), 1000);
      fill(this.body, h('article.read', null, blocks(model.blocks, { run: (f) => this.page.type(f.run ?? ''), save: () => {}, task: () => document.createTextNode(''), quiz: () => document.createTextNode('') })));
      this.#took(state);
      await this.look();
    } catch (error) {
      fill(this.task, h('div.say.bad', { role: 'alert' }, h('h2', null, 'This drill can’t be opened'), h('p', null, /** @type {Error} */ (error).message)));
    }
  }

  /** Another one is shown. */
  close() {
    clearInterval(this.#tick);
    clearTimeout(this.#soon);
    this.#model = null;
  }

  /** @param {string} verb @param {...unknown} args @returns {Promise<any>} */
  async #call(verb, ...args) {
    const { value } = await this.page.host.call('lesson', verb, args);
    return value;
  }

  #drawTime() {
    if (!this.element.isConnected) return this.close();
    if (!this.over) this.time.textContent = clock((Date.now() - this.#began) / 1000);
  }

  /** A line was entered. @param {string} line */
  commandBegan(line) {
    this.#running = line;
  }

  #later = new Later(
    () => void this.look(),
    () => !this.over,
  );

  /** A line that was entered has ended. @param {string} line */
  commandEnded(line) {
    this.#running = '';
    if (!this.over) this.#lines.push(line);
    void this.look();
    this.#later.begin();
  }

  /** Something happened on the host. */
  touched() {
    clearTimeout(this.#soon);
    this.#soon = window.setTimeout(() => void this.look(), QUIET);
  }

  /** Looks at the host, once at a time. */
  async look() {
    if (!this.#model || this.over) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    try {
      this.#took(await this.#call('look'));
    } catch (error) {
      if (this.#model) console.warn(`the drill could not look at the host: ${/** @type {Error} */ (error).message}`);
    }
    this.#looking = false;
    if (this.#again) {
      this.#again = false;
      void this.look();
    }
  }

  /** @param {State} state */
  #took(state) {
    const task = state.tasks[0];
    if (!task || !this.#model || this.over) return;
    // What only a look tells stays until the next one.
    if (!task.checks.length && this.#task) Object.assign(task, { checks: this.#task.checks, nudges: this.#task.nudges });
    this.#task = task;
    if (task.stage === 'done') void this.#end(this.#shown ? 'shown' : 'solved');
    else this.#draw();
  }

  /** @param {Went['end']} end */
  async #end(end) {
    const [task, model] = [this.#task, this.#model];
    if (this.#ending || !task || !model) return;
    this.#ending = true;
    clearInterval(this.#tick);
    const { golf } = await lessonModule();
    // The command that did it may not have come to its prompt, and some never do.
    const lines = this.#running ? [...this.#lines, this.#running] : this.#lines;
    const { commands, over } = JSON.parse(golf(JSON.stringify(lines), this.#drill?.par ?? 0));
    const seconds = (Date.now() - this.#began) / 1000;
    this.over = { id: this.listed.id, title: model.title, end, seconds, commands, over, hints: task.hints.length };
    this.time.textContent = clock(seconds);
    this.#draw();
    const { value, progress } = await this.page.host.call('lesson', 'commands', []);
    keepCommands('practice', value);
    this.page.ended(this.over, JSON.parse(progress || '{"events":[]}').events);
    announce({ solved: 'Solved.', shown: 'Done with the solution.', skipped: 'Skipped.' }[end]);
    this.element.querySelector('button.pri')?.scrollIntoView({ block: 'nearest' });
  }

  #draw() {
    const [task, model] = [this.#task, this.#model];
    if (!task || !model) return;
    const { over } = this;
    const met = over && over.end !== 'skipped';
    const goals = model.tasks[0].goals.map((goal, i) => {
      const check = task.checks[i];
      const ok = met || !!check?.ok;
      return h('li.task', { class: ok ? 'done' : '' }, h('span.mk', { class: ok ? 'ok' : '', 'aria-hidden': 'true' }, ok ? icon('check', 13) : ''), h('div', null, code(goal), h('span.sr', null, ok ? ', is so' : ', not yet')), !ok && check?.why ? h('p.why', null, code(check.why)) : null);
    });
    const focused = /** @type {HTMLElement | null} */ (this.task.contains(document.activeElement) ? document.activeElement : null)?.dataset.act;
    fill(
      this.task,
      h('ul.goals', { 'aria-label': 'What must be true' }, goals),
      over ? this.#ended(over) : this.#help(task),
    );
    if (focused) /** @type {HTMLElement | null} */ (this.task.querySelector(`[data-act=${focused}]`) ?? this.task.querySelector('button'))?.focus();
  }

  /** @param {State['tasks'][0]} task */
  #help(task) {
    const hints = /** @type {Model} */ (this.#model).tasks[0].hints;
    return [
      task.nudges.map((nudge) => h('p.s13.nudge', null, icon('help', 13), h('span', null, inlines(nudge)))),
      hints ? h('div.row.hinthead', null, h('b.s13', null, 'Hints'), h('span.grow', null), h('span.s12.dim', null, `${task.hints.length} of ${hints} used`)) : null,
      task.hints.map((hint) => h('p.s13.t2', null, inlines(hint))),
      this.#shown ? h('div.fence', null, h('code.grow', null, this.#shown), h('button.run', { 'aria-label': 'Run the solution', onclick: () => this.page.type(this.#shown) }, icon('play', 10), 'Run')) : null,
      h(
        'div.row.drill-row',
        null,
        task.moreHints ? h('button.btn.sm', { dataset: { act: 'hint' }, onclick: () => void this.#call('hint', TASK).then((s) => this.#took(s)) }, task.hints.length ? 'Next hint' : 'Hint') : null,
        this.#shown ? null : h('button.btn.ghost.sm', { dataset: { act: 'solution' }, onclick: () => void this.#call('solution', TASK).then((text) => ((this.#shown = text), this.#draw())) }, 'Show a solution'),
        h('button.btn.ghost.sm', { dataset: { act: 'skip' }, onclick: () => void this.#call('skip', TASK).then(() => this.#end('skipped')) }, 'Skip'),
        h('button.btn.ghost.sm', { dataset: { act: 'over' }, onclick: () => void this.page.restart() }, 'Start over'),
      ),
    ];
  }

  /** @param {Went} over */
  #ended(over) {
    const par = this.#drill?.par ?? 0;
    const count = (/** @type {number} */ n) => `${n} ${n === 1 ? 'command' : 'commands'}`;
    const words = { solved: 'Solved', shown: 'Done, with the solution', skipped: 'Skipped' }[over.end];
    return h(
      'div.say',
      { class: over.end === 'solved' ? 'ok' : '' },
      h('b', null, words),
      over.end === 'solved' ? h('p.s13', null, `In ${clock(over.seconds)} with ${count(over.commands)}. The solution has ${par}.`) : null,
      h('div.row.drill-row', null, h('button.btn.pri', { dataset: { act: 'next' }, onclick: () => this.page.next() }, this.page.last() ? 'Result' : 'Next drill')),
    );
  }
}
