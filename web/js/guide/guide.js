// The guide: the pane beside the picture with the list of lessons, or one of them.
import { fill, h, icon, must } from '../dom.js';
import { asked, askedSeed, practising, store } from './address.js';
import * as author from './author.js';
import { embedded } from './embedded.js';
import { catalogue, drawCatalogue } from './catalogue.js';
import { LessonView } from './lesson.js';
import { Practice } from './practice.js';
import { saveResults } from './results.js';

/** @import { Host } from '../host.js' */

export class Guide {
  /** @type {LessonView | null} */ #lesson = null;
  /** @type {Practice | null} */ #practice = null;
  /** Whether the host belongs to a lesson or a drill. */ #own = false;
  #fresh = false;

  /**
   * @param {Host} host
   * @param {{ type: (command: string) => void, start: (store: string) => void, empty: () => Promise<void>, refit: () => void }} page
   */
  constructor(host, page) {
    this.host = host;
    this.page = page;
    this.body = h('div.guide-body', null);
    this.notes = h('div.guide-notes', null);
    this.element = h('section.pane.guide', { id: 'guide', 'aria-label': 'Lesson', hidden: true });
    this.strip = h('div.strip-slot', null);
    this.strip.addEventListener('click', () => this.drawer(true));
    const tab = (/** @type {'lesson' | 'practice'} */ kind, /** @type {string} */ name) => h('button', { dataset: { kind }, onclick: () => this.go('', kind) }, name);
    this.tabs = h('nav.tabs', { 'aria-label': 'Guide' }, tab('lesson', 'Lessons'), tab('practice', 'Practice'));
    this.element.append(
      h('div.phead', null, this.tabs, h('span.grow', null), h('button.btn.ghost.sm', { onclick: () => void saveResults() }, icon('save', 14), 'Save my results'), h('button.btn.ghost.icon.sm', { 'aria-label': 'Close the lessons', title: 'Close the lessons', onclick: () => (document.documentElement.hasAttribute('data-drawer') && this.#lesson ? this.drawer(false) : this.close()) }, icon('close', 14))),
      this.notes,
      this.body,
    );
    author.follow(this.notes, {
      again: (path) => (this.#lesson ? this.#lesson.entry.path === path && void this.#lesson.open(true) : void this.#show(true)),
      startOver: () => void this.#lesson?.startOver(),
    });
    host.on('state', ({ state, fresh }) => {
      if (state !== 'ready') return;
      this.#fresh = !!fresh;
      void this.#taken?.open();
    });
    host.on('docker', () => this.#taken?.touched());
    host.on('wrote', () => this.#taken?.touched());
    addEventListener('popstate', () => void this.#show());
  }

  /** What is being done on the host. */
  get #taken() {
    return this.#lesson ?? this.#practice?.drill ?? null;
  }

  /** Shows what the address asks for, once the host starts. */
  async opened() {
    if (asked() !== null || practising() !== null) await this.#show(true);
  }

  /** Where the window is narrow, the guide lies over the desk. @param {boolean} out */
  drawer(out) {
    document.documentElement.toggleAttribute('data-drawer', out);
    if (out) requestAnimationFrame(() => /** @type {HTMLElement | null} */ (this.body.querySelector('.lesson'))?.focus());
  }

  /** A command runs. @param {string} command */
  commandBegan(command) {
    this.#practice?.drill?.commandBegan(command);
  }

  /** A command has ended. @param {string} command */
  commandEnded(command) {
    this.#taken?.commandEnded(command);
  }

  /** Opens a lesson or a drill, or the list of them. @param {string} name @param {'lesson' | 'practice'} [kind] @param {string} [seed] of a drill */
  go(name, kind = 'lesson', seed) {
    const url = new URL(location.href);
    for (const other of ['lesson', 'practice', 'seed']) url.searchParams.delete(other);
    url.searchParams.set(kind, name);
    if (seed) url.searchParams.set('seed', seed);
    url.hash = '';
    history.pushState(null, '', url);
    void this.#show();
  }

  /** Back to the playground. */
  close() {
    const url = new URL(location.href);
    for (const kind of ['lesson', 'practice', 'seed']) url.searchParams.delete(kind);
    history.pushState(null, '', url);
    void this.#show();
  }

  toggle() {
    const narrow = matchMedia('(max-width: 1199px)').matches;
    if (narrow && !this.element.hidden) this.drawer(!document.documentElement.hasAttribute('data-drawer'));
    else if (this.element.hidden) this.go('');
    else this.close();
  }

  /** @param {boolean} [booted] whether the host of the address is starting already */
  async #show(booted = false) {
    const name = asked();
    const drill = practising();
    const open = name !== null || drill !== null;
    const own = this.#own;
    this.#own = !!(name || drill);
    this.#lesson = null;
    this.#practice?.drill?.close();
    this.element.hidden = !open;
    document.documentElement.toggleAttribute('data-guide', open);
    for (const tab of this.tabs.querySelectorAll('button')) {
      if (tab.dataset.kind === (drill === null ? 'lesson' : 'practice')) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
    fill(this.strip);
    this.drawer(open && !(embedded() && name));
    requestAnimationFrame(() => this.page.refit());
    if (drill !== null) return this.#practise(drill, own, booted);
    if (this.#practice) this.#practice.drill = null;
    if (!name) {
      where('Playground');
      if (own && !booted) this.page.start(store());
      if (name === '') {
        const list = h('div.lesson', { tabindex: -1 });
        fill(this.body, list);
        await drawCatalogue(list, (to) => this.go(to));
      }
      return;
    }
    const all = await catalogue().catch(() => []);
    const at = all.findIndex((entry) => entry.name === name);
    if (at < 0) {
      where('Lessons');
      fill(this.body, h('div.lesson', null, h('div.say.bad', { role: 'alert' }, h('h2', null, 'There is no such lesson'), h('p', null, `Nothing here is called ${name}.`))));
      return;
    }
    where('Lessons', all[at].title);
    this.#lesson = new LessonView(all[at], all[at + 1] ?? null, {
      host: this.host,
      type: (command) => {
        this.drawer(false);
        this.page.type(command);
      },
      restart: () => this.page.empty(),
      open: (to) => this.go(to),
      fresh: () => this.#fresh,
    });
    fill(this.body, this.#lesson.text, this.#lesson.foot);
    fill(this.strip, this.#lesson.strip);
    if (booted) {
      if (this.host.state.state === 'ready') {
        this.#fresh = !!this.host.state.fresh;
        void this.#lesson.open();
      }
    } else this.page.start(store());
  }

  /** Shows a drill, or what there is to practise. @param {string} id @param {boolean} own whether the host was a lesson's or a drill's @param {boolean} booted */
  async #practise(id, own, booted) {
    this.#practice ??= new Practice({
      host: this.host,
      type: (command) => {
        this.drawer(false);
        this.page.type(command);
      },
      show: (to, seed) => this.go(to, 'practice', seed),
      home: () => this.go('', 'practice'),
      restart: () => this.page.empty(),
      title: (title) => where('Practice', title),
    });
    fill(this.body, this.#practice.text, this.#practice.foot);
    if (!id) {
      if (own && !booted) this.page.start(store());
      return this.#practice.home();
    }
    if (!booted) this.page.start('');
    await this.#practice.show(id, askedSeed());
  }
}

/** Says in the bar and the title where the learner is. @param {string} place @param {string} [title] */
function where(place, title) {
  fill(must('.crumbs', HTMLElement), h('span.sl', null, '/'), title ? [h('span.nowrap', null, place), h('span.sl', null, '/'), h('b.cut', null, title)] : h('h1.cut.ch1', null, place));
  document.title = title ? `${title} · Bottleship` : 'Bottleship: a Docker host in this tab';
}
