// One task of a lesson: its title, what is missing, hints and the solution.
import { fill, h, icon } from '../dom.js';
import { inlines } from './blocks.js';

/** @import { Task, TaskState } from './types.js' */

const NAMES = { waiting: 'not yet', now: 'to do', done: 'done', skipped: 'skipped' };

export class TaskView {
  /** @type {string | null} */ #solution = null;

  /**
   * @param {Task} task @param {number} number from 1
   * @param {{ hint: (id: string) => void, solution: (id: string) => Promise<string>, redraw: () => void, skip: (id: string) => void, type: (text: string) => void }} acts
   */
  constructor(task, number, acts) {
    this.task = task;
    this.number = number;
    this.acts = acts;
    this.element = h('div.task', { id: `task-${task.id}`, role: 'group', 'aria-label': `Task ${number}` });
  }

  /** @param {TaskState} state @param {boolean} first whether it is the task to do next */
  draw(state, first) {
    const { task, number } = this;
    const { element } = this;
    // Of several that can be done, one is shown as the next.
    element.className = `task ${state.stage === 'now' && !first ? 'waiting' : state.stage}`;
    const over = state.stage === 'done' || state.stage === 'skipped';
    const why = first ? state.checks.find((check) => !check.ok) : undefined;
    const focused = /** @type {HTMLElement | null} */ (element.contains(document.activeElement) ? document.activeElement : null)?.dataset.act;
    fill(
      element,
      h('span.mk', { 'aria-hidden': 'true' }, state.stage === 'done' ? icon('check', 13) : state.stage === 'skipped' ? '–' : String(number)),
      h('div.ti', null, inlines(task.title), h('span.sr', null, `, ${NAMES[state.stage]}`)),
      why?.why ? h('p.why', null, code(why.why)) : null,
      over ? null : state.nudges.map((nudge) => h('p.why.nudge', null, icon('help', 13), h('span', null, inlines(nudge)))),
      over ? null : state.hints.map((hint) => h('p.why.hint', null, inlines(hint))),
      !over && this.#solution !== null ? this.#shown(this.#solution) : null,
      first ? this.#buttons(state) : null,
    );
    if (focused) /** @type {HTMLElement | null} */ (element.querySelector(`[data-act=${focused}]`))?.focus();
  }

  /** @param {TaskState} state */
  #buttons(state) {
    const id = this.task.id;
    return h(
      'div.task-row',
      null,
      state.moreHints ? h('button.btn.ghost.sm', { dataset: { act: 'hint' }, onclick: () => this.acts.hint(id) }, state.hints.length ? 'Another hint' : 'Hint') : null,
      this.#solution === null ? h('button.btn.ghost.sm', { dataset: { act: 'solution' }, onclick: () => void this.#solve() }, 'Show a solution') : null,
      h('button.btn.ghost.sm', { dataset: { act: 'skip' }, onclick: () => this.acts.skip(id) }, 'Skip'),
    );
  }

  async #solve() {
    this.#solution = await this.acts.solution(this.task.id);
    this.acts.redraw();
  }

  /** @param {string} solution */
  #shown(solution) {
    return h('div.fence', null, h('code.grow', null, solution), h('button.run', { 'aria-label': 'Run the solution', onclick: () => this.acts.type(solution) }, icon('play', 10), 'Run'));
  }

  /** The lesson begins again. */
  forget() {
    this.#solution = null;
  }
}

/** A sentence whose `parts` are code. @param {string} text */
export function code(text) {
  return text.split('`').map((part, i) => (i % 2 ? h('code', null, part) : part));
}
