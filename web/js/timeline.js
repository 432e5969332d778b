// The timeline: the host after each command, to go back and forth, to branch off, and as a link.
import { announce } from './announce.js';
import { Commands } from './commands.js';
import { ask } from './dialog.js';
import { fill, h, icon } from './dom.js';
import { fromFragment, isSession, seen, toFragment } from './session.js';

/** @import { Entry } from './session.js' */
/** @import { Host } from './host.js' */
/** @import { Tab, Terminals } from './terminals.js' */

/** Commands that look and change nothing get a small dot. */
const LOOKS = /^\s*(docker\s+(container\s+|image\s+|volume\s+|network\s+|system\s+)?(ps|images|ls|list|history|inspect|logs|top|stats|diff|port|version|info|search|df|events)\b|docker\s*$|docker\s+.*--help|ls\b|cat\b|pwd\b|echo\b[^>]*$|head\b|tail\b|grep\b|env\b|whoami\b|hostname\s*$|date\b|clear\b|history\b|curl\b|wget\s+-q?O\s*-)/;
const KEPT = 'bottleship:log';
const KEPT_MAX = 200;

/**
 * @typedef {object} Step
 * @property {number} id the worker's
 * @property {Step | null} parent
 * @property {Step[]} children
 * @property {Step | null} chosen the child that redo goes to
 * @property {Entry[]} entries what led here from the parent
 * @property {boolean} alive whether it can be gone to
 */

/** @param {Entry} e */
const words = (e) => ('run' in e ? e.run : `saved ${e.write}`);
/** @param {Step} s */
const label = (s) => s.entries.map(words).join('; ') || 'the start';

export class Timeline {
  /** @type {Step | null} */ #root = null;
  /** @type {Step | null} */ #at = null;
  /** @type {Map<number, Step>} */ #steps = new Map();
  /** What happened before this tab could keep steps. @type {Entry[]} */ #past = [];
  /** What ended and is in no step yet. @type {Entry[]} */ #ended = [];
  /** Whether the log is all that the host has lived through. */ #whole = false;
  #keeping = false;
  #travelling = false;
  #able = true;
  /** @type {{ fits: (command: string) => boolean, resolve: () => void } | null} */ #waiting = null;

  /**
   * @param {Host} host @param {Terminals} terminals
   * @param {{ store: () => string, start: (options: { store: string }) => void, travelled: () => void, commandBegan: (command: string) => void, commandEnded: (command: string) => void }} page
   */
  constructor(host, terminals, page) {
    this.host = host;
    this.terminals = terminals;
    this.page = page;
    this.commands = new Commands();
    this.commands.began = (command) => this.page.commandBegan(command);
    this.commands.ended = (command, tab) => this.#prompt(command, tab);
    const button = (/** @type {import('./dom.js').IconName} */ mark, /** @type {string} */ name, /** @type {() => void} */ act) => h('button.btn.ghost.icon.sm', { 'aria-label': name, title: name, disabled: true, onclick: act }, icon(mark));
    this.undoButton = button('undo', 'Undo the last command', () => void this.undo());
    this.redoButton = button('redo', 'Redo', () => void this.redo());
    this.slider = h('input', { type: 'range', min: 0, max: 0, step: 1, value: 0, 'aria-label': 'Command', disabled: true });
    this.dots = h('span.dots', { 'aria-hidden': 'true' });
    this.place = h('span.nowrap.num.place', null);
    this.command = h('code.cut', null);
    this.branch = h('button.btn.ghost.sm', { hidden: true, onclick: () => void this.#otherBranch() });
    this.linkButton = h('button.btn.ghost.sm', { 'aria-label': 'Copy as a link', disabled: true, onclick: () => void this.#link() }, icon('copy', 14), h('span', null, 'Copy as a link'));
    this.element = h('div.time', { role: 'group', 'aria-label': 'Time travel' }, this.undoButton, this.redoButton, h('span.track', null, this.dots, this.slider), this.place, this.command, this.branch, this.linkButton);
    this.slider.addEventListener('input', () => this.#scrubbed(Number(this.slider.value)));
    this.slider.addEventListener('change', () => void this.#goTo(this.#line()[Number(this.slider.value)]));
    host.on('state', ({ state, fresh }) => this.#state(state, !!fresh));
    host.on('wrote', ({ path, data }) => this.#wrote(path, data));
    this.#draw();
  }

  /** @param {Tab} tab */
  follow(tab) {
    this.commands.follow(tab);
  }

  /** @param {string} state @param {boolean} fresh */
  #state(state, fresh) {
    this.#root = this.#at = null;
    this.#steps.clear();
    this.#ended = [];
    this.#able = true;
    if (state === 'ready') this.#past = fresh ? [] : this.#remembered();
    this.#whole = fresh;
    this.#draw();
  }

  #remembered() {
    try {
      const kept = this.page.store() ? JSON.parse(localStorage.getItem(KEPT) ?? '[]') : [];
      return Array.isArray(kept) ? kept.filter((e) => typeof e?.run === 'string' || (typeof e?.write === 'string' && typeof e?.text === 'string')) : [];
    } catch {
      return [];
    }
  }

  #remember() {
    if (!this.page.store()) return;
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.#log().slice(-KEPT_MAX)));
    } catch {
      // The log is then of this tab alone.
    }
  }

  // What happens --------------------------------------------------------------------------------------------------------

  /** @param {string} command @param {Tab} _tab */
  #prompt(command, _tab) {
    if (this.#travelling) return;
    if (command) this.#ended.push({ run: command });
    if (command) this.page.commandEnded(command);
    void this.#keep().then(() => {
      const waiting = this.#waiting;
      if (!waiting || !waiting.fits(command)) return;
      this.#waiting = null;
      waiting.resolve();
    });
  }

  /** @param {string} path @param {Uint8Array} data */
  #wrote(path, data) {
    let text;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(data);
    } catch {
      this.#whole = false; // not a text: a link can't have it
      return;
    }
    const last = this.#ended.at(-1);
    if (last && 'write' in last && last.write === path) last.text = text;
    else this.#ended.push({ write: path, text });
    void this.#keep();
  }

  /** Keeps the host as a step, once it is quiet. */
  async #keep() {
    if (this.#keeping || !this.#able || this.host.state.state !== 'ready') return;
    if (this.#root && !this.#ended.length) return;
    this.#keeping = true;
    try {
      while (!this.#root || this.#ended.length) {
        const entries = this.#ended;
        const kept = await this.host.call('keep');
        // What ended meanwhile may be in it or not: it is in the next for sure.
        this.#ended = this.#ended.slice(entries.length);
        /** @type {Step} */
        const step = { id: kept.id, parent: this.#at, children: [], chosen: null, entries: entries.slice(), alive: true };
        this.#steps.set(step.id, step);
        if (this.#at) {
          this.#at.children.push(step);
          this.#at.chosen = step;
        } else this.#root = step;
        this.#at = step;
        const alive = new Set(kept.alive);
        for (const s of this.#steps.values()) s.alive = alive.has(s.id);
        this.#remember();
        this.#draw();
      }
    } catch (error) {
      // Busy: the next command's step has it all. Without time travel there is only the log.
      if (/no time travel/.test(String(error))) this.#able = false;
    } finally {
      this.#keeping = false;
    }
  }

  // Going -----------------------------------------------------------------------------------------------------------------

  /** The steps from the first over where the host is to the last that was chosen. */
  #line() {
    const line = [];
    for (let s = this.#at; s; s = s.parent) line.unshift(s);
    for (let s = this.#at?.chosen; s; s = s.chosen) line.push(s);
    return line;
  }

  undo() {
    return this.#goTo(this.#at?.parent);
  }

  redo() {
    return this.#goTo(this.#at?.chosen);
  }

  /** @param {Step | null | undefined} step */
  async #goTo(step) {
    if (!step || step === this.#at || this.#travelling) return this.#draw();
    if (!step.alive) return announce('That step is no longer kept.', 'assertive');
    const from = this.#at;
    this.#travelling = true;
    this.element.setAttribute('aria-busy', 'true');
    try {
      await this.host.call('go', step.id);
      this.#at = step;
      if (step.parent) step.parent.chosen = step;
      this.#ended = [];
      const back = !!from && this.#isAbove(step, from);
      for (const tab of this.terminals.tabs) tab.say(back ? `Back to after: ${label(step)}` : `Forward to after: ${label(step)}`);
      this.page.travelled();
      this.#remember();
      announce(`${back ? 'Back' : 'Forward'} to after ${label(step)}.`);
    } catch (error) {
      announce(`It stays as it is: ${/** @type {Error} */ (error).message}.`, 'assertive');
    } finally {
      this.element.removeAttribute('aria-busy');
      this.#travelling = false;
      this.#draw();
    }
  }

  /** @param {Step} a @param {Step} b */
  #isAbove(a, b) {
    for (let s = /** @type {Step | null} */ (b); s; s = s.parent) if (s === a) return true;
    return false;
  }

  /** Goes to the next branch that leaves the line before where the host is. */
  async #otherBranch() {
    const fork = this.#fork();
    if (!fork) return;
    const at = fork.children.indexOf(/** @type {Step} */ (fork.chosen));
    let to = fork.children[(at + 1) % fork.children.length];
    while (to.chosen?.alive) to = to.chosen;
    await this.#goTo(to);
  }

  /** The nearest step at or before where the host is that several went on from. */
  #fork() {
    for (let s = this.#at; s; s = s.parent) if (s.children.filter((c) => c.alive).length > 1) return s;
    return null;
  }

  // The log as a link -----------------------------------------------------------------------------------------------------

  /** What the host has lived through, up to where it is. @returns {Entry[]} */
  #log() {
    const line = [];
    for (let s = this.#at; s; s = s.parent) line.unshift(...s.entries);
    return [...this.#past, ...line];
  }

  /** The commands that were run, oldest first. */
  runs() {
    return this.#log().flatMap((entry) => ('run' in entry ? [entry.run] : []));
  }

  async #link() {
    try {
      const url = new URL(location.href);
      url.hash = await toFragment(this.#log());
      await navigator.clipboard.writeText(url.href);
      announce(this.#whole || this.#past.length ? 'Copied a link that runs these commands again.' : 'Copied a link. The host was not empty when this tab opened: the link has what happened since.');
      const text = this.linkButton.lastElementChild;
      if (text) {
        text.textContent = 'Copied';
        setTimeout(() => (text.textContent = 'Copy as a link'), 2000);
      }
    } catch (error) {
      announce(`No link: ${/** @type {Error} */ (error).message}.`, 'assertive');
    }
  }

  /** When the page was opened by a session's link: asks, then runs it on a host of its own. */
  async opened() {
    if (!isSession(location.hash)) return;
    const fragment = location.hash;
    history.replaceState(null, '', location.pathname + location.search);
    /** @type {Entry[]} */
    let log;
    try {
      log = await fromFragment(fragment);
    } catch (error) {
      await ask({ title: 'This link can’t be opened', body: [/** @type {Error} */ (error).message], yes: 'Go on without it', no: 'Close' });
      return;
    }
    const list = h(
      'ol.session',
      { tabindex: 0, 'aria-label': 'What the link does' },
      log.map((e) => h('li', null, 'run' in e ? h('code.wrap', null, seen(e.run)) : h('details', null, h('summary', null, 'writes ', h('code.wrap', null, seen(e.write))), h('pre.wrap', null, seen(e.text))))),
    );
    const yes = await ask({ title: 'Run this session?', body: ['Someone made this link. It runs these commands in a host of its own that is gone when you close the tab; yours stays as it is.', list], yes: `Run ${log.length === 1 ? 'it' : `all ${log.length}`}`, no: 'Don’t', danger: true });
    if (yes) await this.replay(log);
  }

  /** Runs a log on a new host that keeps nothing. @param {Entry[]} log */
  async replay(log) {
    await new Promise((resolve) => {
      const off = this.host.on('state', ({ state }) => {
        if (state !== 'ready') return;
        off();
        resolve(undefined);
      });
      this.page.start({ store: '' });
    });
    await this.#prompted(true);
    for (const entry of log) {
      if ('write' in entry) {
        await this.host.call('makeDir', entry.write.slice(0, entry.write.lastIndexOf('/')) || '/').catch(() => {});
        await this.host.call('writeFile', entry.write, new TextEncoder().encode(entry.text));
      } else {
        const done = this.#prompted(false);
        this.terminals.type(entry.run.replaceAll('\n', '\r'));
        await done;
      }
    }
    announce('The session has run.');
  }

  /** The next prompt: after any command, or a shell's first. @param {boolean} first @returns {Promise<void>} */
  #prompted(first) {
    return new Promise((resolve) => (this.#waiting = { fits: (command) => first === !command, resolve }));
  }

  // Drawing ---------------------------------------------------------------------------------------------------------------

  /** While the slider is dragged only its words change. @param {number} to */
  #scrubbed(to) {
    const step = this.#line()[to];
    if (!step) return;
    this.command.textContent = label(step);
    this.slider.setAttribute('aria-valuetext', `after ${label(step)}`);
  }

  #draw() {
    const line = this.#line();
    const at = this.#at ? line.indexOf(this.#at) : 0;
    const past = this.#past.length;
    this.element.hidden = !this.#able && !line.length;
    const last = Math.max(0, line.length - 1);
    this.slider.max = String(last);
    this.slider.value = String(at);
    this.slider.disabled = !last;
    const where = this.#at ? label(this.#at) : '';
    this.slider.setAttribute('aria-valuetext', where ? `after ${where}` : 'nothing yet');
    const focused = document.activeElement;
    /** @type {HTMLButtonElement} */ (this.undoButton).disabled = !this.#at?.parent?.alive;
    /** @type {HTMLButtonElement} */ (this.redoButton).disabled = !this.#at?.chosen?.alive;
    /** @type {HTMLButtonElement} */ (this.linkButton).disabled = !this.#log().length;
    // A button that can no longer be pressed would lose the focus to the page.
    if (focused === this.undoButton && this.undoButton.disabled) this.slider.focus();
    if (focused === this.redoButton && this.redoButton.disabled) this.slider.focus();
    fill(this.dots, line.map((s, i) => h('i', { class: `${i > at ? 'todo' : ''} ${LOOKS.test(s.entries.map(words).join('')) ? 'look' : ''} ${s.children.length > 1 ? 'fork' : ''} ${s.alive ? '' : 'lost'}`, style: { left: last ? `${(100 * i) / last}%` : '0' } })));
    this.place.textContent = this.#at ? `${past + at} of ${past + last}` : '';
    this.command.textContent = this.#at?.entries.length ? where : '';
    this.command.title = this.command.textContent;
    const fork = this.#fork();
    this.branch.hidden = !fork;
    if (fork) fill(this.branch, `Branch ${fork.children.indexOf(/** @type {Step} */ (fork.chosen)) + 1} of ${fork.children.length}`);
    this.branch.title = fork ? `Another way on from: ${label(fork)}` : '';
  }
}
