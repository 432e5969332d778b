// Practice: drills without instructions, each on a host of its own that is as the drill begins.
import { fill, h, icon } from '../dom.js';
import { lessonModule } from '../lessonmodule.js';
import { DrillView } from './drill.js';
import { keepPractice, keptPractice } from './kept.js';

/** @import { Host } from '../host.js' */

/**
 * @typedef {{ id: string, topic: string, title: string, level: 'beginner' | 'intermediate' | 'advanced', seconds: number }} Listed
 * @typedef {{ path: string, topic: string, title: string, drills: Listed[] }} Bank
 * @typedef {{ id: string, title: string, end: 'solved' | 'shown' | 'skipped', seconds: number, commands: number, over: number, hints: number }} Went
 */

/** Drills of one set. */
const SET = 5;
const LEVELS = { beginner: 'Beginner', intermediate: 'Intermediate', advanced: 'Advanced' };

/** @type {Promise<Bank[]> | undefined} */
let banks;

/** @returns {Promise<Bank[]>} */
function allBanks() {
  banks ??= fetch('./drills/index.json').then(async (response) => {
    if (!response.ok) throw new Error(`the list of drills was answered with ${response.status}`);
    return response.json();
  });
  banks.catch(() => (banks = undefined));
  return banks;
}

/** The date where the learner is, as 2026-11-24. */
const today = () => {
  const d = new Date();
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;
};

/** A variant. */
const anySeed = () => [...crypto.getRandomValues(new Uint8Array(6))].map((b) => b.toString(16).padStart(2, '0')).join('');

/** 75 → 1:15. @param {number} seconds */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, '0')}`;

export class Practice {
  /** @type {DrillView | null} */ drill = null;
  /** The drills of the set that are still to do, with their variants. @type {{ id: string, seed: string }[]} */ #queue = [];
  /** @type {Went[]} */ #went = [];
  #size = 0;
  #name = '';
  #topic = '';
  #level = '';
  /** What the last set was made of, to make another. @type {() => Promise<void>} */ #again = async () => {};

  /**
   * @param {{ host: Host, type: (command: string) => void, show: (id: string, seed: string) => void, home: () => void, restart: () => Promise<void>, title: (title?: string) => void }} page
   *   `show` puts a drill's address into the bar and gives it a fresh host, `home` goes back to the choice
   */
  constructor(page) {
    this.page = page;
    this.text = h('div.lesson', { tabindex: -1 });
    this.foot = h('div.foot', { hidden: true });
  }

  // The choice ------------------------------------------------------------------------------------------------------------

  async home() {
    this.drill = null;
    this.#queue = [];
    this.foot.hidden = true;
    this.page.title();
    fill(this.text, h('h1', null, 'Practice'), h('p.t2', null, 'Opening the drills…'));
    let all;
    try {
      all = await allBanks();
      await lessonModule();
    } catch (error) {
      return this.#failed('No drills here', error);
    }
    const topic = h('select.field', { 'aria-label': 'Topic' }, h('option', { value: '' }, 'All topics'), all.map((b) => h('option', { value: b.topic, selected: b.topic === this.#topic }, b.title)));
    const level = h('select.field', { 'aria-label': 'Level' }, h('option', { value: '' }, 'All levels'), Object.entries(LEVELS).map(([value, name]) => h('option', { value, selected: value === this.#level }, name)));
    const list = h('div', null);
    const draw = () => {
      this.#topic = topic.value;
      this.#level = level.value;
      fill(list, this.#list(all));
    };
    for (const select of [topic, level]) select.addEventListener('change', draw);
    draw();
    fill(
      this.text,
      h('h1', null, 'Practice'),
      h('p.read', null, 'Short tasks without instructions. Each has a host of its own and ticks itself when the host is as asked. What you did not know comes again soon, what you knew later.'),
      h('div.row.filters', null, topic, level),
      h('div.row.starts', null, h('button.btn.pri', { onclick: () => void this.#deal() }, `Practise ${SET}`), h('button.btn', { onclick: () => void this.#daily() }, 'Today’s three'), h('a.btn.ghost', { href: './' }, 'Free sandbox')),
      list,
    );
  }

  /** @param {Bank[]} all */
  #fitting(all) {
    return all.flatMap((bank) => bank.drills).filter((d) => (!this.#topic || d.topic === this.#topic) && (!this.#level || d.level === this.#level));
  }

  /** @param {Bank[]} all */
  #list(all) {
    const cards = this.#cards();
    const fitting = this.#fitting(all);
    const due = fitting.filter((d) => cards[d.id]?.due <= Date.now()).length;
    const known = fitting.filter((d) => cards[d.id]?.streak).length;
    const item = (/** @type {Listed} */ d) => {
      const card = cards[d.id];
      const state = !card ? '' : card.due <= Date.now() ? 'due' : card.streak ? 'known' : 'again soon';
      return h(
        'li',
        null,
        h('a.entry', { href: `?practice=${encodeURIComponent(d.id)}`, onclick: (/** @type {MouseEvent} */ e) => plain(e) && (e.preventDefault(), this.#begin([d.id], 'One drill')) }, card?.streak ? h('span.mk.ok', null, icon('check', 13)) : h('span.mk', null, '·'), h('span.grow', null, h('b', null, d.title), h('span.s12.t2', null, [LEVELS[d.level], state].filter(Boolean).join(', '))), h('span.s12.dim.nowrap', null, `about ${clock(d.seconds)}`)),
      );
    };
    return [
      h('p.s13.t2.num', { role: 'status' }, fitting.length ? `${fitting.length} ${fitting.length === 1 ? 'drill' : 'drills'}: ${known} known, ${due} due` : 'No drill is of this topic and level.'),
      all.map((bank) => {
        const of = fitting.filter((d) => d.topic === bank.topic);
        return of.length ? h('details.topic', { open: !!this.#topic }, h('summary', null, h('b', null, bank.title), h('span.s12.t2', null, ` ${of.length}`)), h('ul.entries', null, of.map(item))) : null;
      }),
    ];
  }

  /** @returns {Record<string, { due: number, streak: number }>} what the deck knows of each drill */
  #cards() {
    try {
      return JSON.parse(keptPractice().deck || '{"cards":{}}').cards ?? {};
    } catch {
      return {};
    }
  }

  /** A set of what is due and what is new. */
  async #deal() {
    const ids = this.#fitting(await allBanks()).map((d) => d.id);
    const { deckNext } = await lessonModule();
    // What is new comes in any order.
    for (let i = ids.length - 1; i > 0; i--) {
      const j = Math.floor(Math.random() * (i + 1));
      [ids[i], ids[j]] = [ids[j], ids[i]];
    }
    /** @type {string[]} */
    const set = [];
    while (set.length < SET && ids.length) {
      const id = deckNext(keptPractice().deck, JSON.stringify(ids), Date.now());
      if (!id) break;
      ids.splice(ids.indexOf(id), 1);
      set.push(id);
    }
    if (!set.length) return;
    this.#begin(set, 'Practice', () => this.#deal());
  }

  /** The same three for everybody, in the same variant. */
  async #daily() {
    const all = (await allBanks()).flatMap((b) => b.drills);
    const { daily } = await lessonModule();
    const ids = JSON.parse(daily(JSON.stringify(all), today()));
    this.#begin(ids, `The three of ${today()}`, () => this.#daily(), today());
  }

  /** @param {string[]} ids @param {string} name @param {() => Promise<void>} [again] @param {string} [seed] */
  #begin(ids, name, again, seed) {
    this.#name = name;
    this.#size = ids.length;
    this.#went = [];
    this.#queue = ids.map((id) => ({ id, seed: seed ?? anySeed() }));
    this.#again = again ?? (async () => this.#begin(ids, name, undefined, seed));
    this.#next();
  }

  #next() {
    const next = this.#queue.shift();
    if (next) this.page.show(next.id, next.seed);
    else this.#result();
  }

  // A drill ---------------------------------------------------------------------------------------------------------------

  /** Shows the drill that the address asks for. @param {string} id @param {string | null} seed */
  async show(id, seed) {
    this.drill = null;
    fill(this.text, h('p.t2', null, 'Opening the drill…'));
    let all;
    try {
      all = await allBanks();
    } catch (error) {
      return this.#failed('No drills here', error);
    }
    const bank = all.find((b) => b.drills.some((d) => d.id === id));
    const listed = bank?.drills.find((d) => d.id === id);
    if (!bank || !listed) return this.#failed('There is no such drill', new Error(`Nothing here is called ${id}.`));
    // By its own address, not from a set.
    if (this.#size <= this.#went.length) {
      this.#size = 1;
      this.#went = [];
      this.#name = 'One drill';
      this.#again = async () => this.#begin([id], this.#name);
    }
    this.page.title(listed.title);
    const drill = new DrillView(listed, bank, seed ?? anySeed(), {
      host: this.page.host,
      type: this.page.type,
      ended: (went, events) => void this.#ended(went, events),
      next: () => this.#next(),
      restart: () => this.page.restart(),
      last: () => !this.#queue.length,
    });
    this.drill = drill;
    this.#drawFoot();
    fill(this.text, drill.element);
    if (this.page.host.state.state === 'ready') void drill.open();
  }

  #drawFoot() {
    this.foot.hidden = false;
    const done = this.#went.length;
    fill(this.foot, h('span.num.nowrap', null, `${Math.min(done + (this.drill?.over ? 0 : 1), this.#size)} of ${this.#size}`), h('span.meter', { 'aria-hidden': 'true' }, h('i', { style: { width: `${(100 * done) / this.#size}%` } })), h('button.btn.ghost.sm', { onclick: () => this.page.home() }, 'End'));
  }

  /** @param {Went} went @param {import('./kept.js').LogEvent[]} events */
  async #ended(went, events) {
    this.#went.push(went);
    this.#drawFoot();
    const before = keptPractice();
    const { deckRecord } = await lessonModule();
    const usual = (await allBanks()).flatMap((b) => b.drills).find((d) => d.id === went.id)?.seconds ?? 60;
    const attempt = { solved: went.end !== 'skipped', hints: went.hints, shown: went.end === 'shown', seconds: Math.round(went.seconds), usual };
    const deck = deckRecord(before.deck, went.id, JSON.stringify(attempt), Date.now());
    keepPractice({ deck, events: [...before.events, ...events.filter((e) => e.what !== 'reset').map((e) => ({ ...e, ...(e.of ? { of: went.id } : {}) }))] });
  }

  // The result ------------------------------------------------------------------------------------------------------------

  #result() {
    const went = this.#went;
    const words = { solved: 'solved', shown: 'with the solution', skipped: 'skipped' };
    const solved = went.filter((w) => w.end === 'solved').length;
    this.drill = null;
    this.foot.hidden = true;
    this.page.title('Result');
    const golf = (/** @type {Went} */ w) => (w.end !== 'solved' ? '' : w.over === 0 ? 'as the solution' : w.over < 0 ? `${-w.over} fewer` : `${w.over} more`);
    fill(
      this.text,
      h('h1', null, `${solved} of ${went.length} solved`),
      h('p.read', null, `${this.#name}, in ${clock(went.reduce((sum, w) => sum + w.seconds, 0))}.`),
      h(
        'div.tablewrap',
        { tabindex: 0, role: 'group', 'aria-label': 'Drills of this set' },
        h(
          'table',
          null,
          h('thead', null, h('tr', null, ['Drill', 'Time', 'Commands', 'Hints'].map((t) => h('th', { scope: 'col' }, t)))),
          h('tbody', null, went.map((w) => h('tr', null, h('td', null, w.title, h('br', null), h('span.s12.t2', null, words[w.end])), h('td.num', null, clock(w.seconds)), h('td.num', null, String(w.commands), ' ', h('span.s12.t2', null, golf(w))), h('td.num', null, String(w.hints))))),
        ),
      ),
      h('div.row.starts', null, h('button.btn.pri', { onclick: () => void this.#again() }, this.#size > 1 ? 'Another set' : 'Once more'), h('button.btn', { onclick: () => this.page.home() }, 'All drills')),
    );
    this.text.focus();
  }

  /** @param {string} title @param {unknown} error */
  #failed(title, error) {
    this.foot.hidden = true;
    fill(this.text, h('div.say.bad', { role: 'alert' }, h('h2', null, title), h('p', null, /** @type {Error} */ (error).message)), h('div.row.starts', null, h('button.btn', { onclick: () => this.page.home() }, 'All drills')));
  }
}

/** A click that isn't meant for another tab. @param {MouseEvent} e */
const plain = (e) => !e.ctrlKey && !e.metaKey && !e.shiftKey && e.button === 0;
