// The guide: the pane beside the picture with the list of lessons, or one of them.
import { fill, h, icon, must } from '../dom.js';
import { asked, store } from './address.js';
import * as author from './author.js';
import { embedded } from './embedded.js';
import { catalogue, drawCatalogue } from './catalogue.js';
import { LessonView } from './lesson.js';

/** @import { Host } from '../host.js' */

export class Guide {
  /** @type {LessonView | null} */ #lesson = null;
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
    this.element.append(
      h('div.phead', null, h('h2', null, 'Lessons'), h('span.grow', null), h('button.btn.ghost.sm', { onclick: () => this.go('') }, icon('list', 14), 'All lessons'), h('button.btn.ghost.icon.sm', { 'aria-label': 'Close the lessons', title: 'Close the lessons', onclick: () => (document.documentElement.hasAttribute('data-drawer') && this.#lesson ? this.drawer(false) : this.close()) }, icon('close', 14))),
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
      if (this.#lesson) void this.#lesson.open();
    });
    host.on('docker', () => this.#lesson?.touched());
    host.on('wrote', () => this.#lesson?.touched());
    addEventListener('popstate', () => void this.#show());
  }

  /** Shows what the address asks for, once the host starts. */
  async opened() {
    if (asked() !== null) await this.#show(true);
  }

  /** Where the window is narrow, the guide lies over the desk. @param {boolean} out */
  drawer(out) {
    document.documentElement.toggleAttribute('data-drawer', out);
    if (out) requestAnimationFrame(() => /** @type {HTMLElement | null} */ (this.body.querySelector('.lesson'))?.focus());
  }

  /** A command has ended. */
  commandEnded() {
    void this.#lesson?.look();
  }

  /** Opens a lesson, or the list. @param {string} name */
  go(name) {
    const url = new URL(location.href);
    url.searchParams.set('lesson', name);
    url.hash = '';
    history.pushState(null, '', url);
    void this.#show();
  }

  /** Back to the playground. */
  close() {
    const url = new URL(location.href);
    url.searchParams.delete('lesson');
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
    const was = this.#lesson;
    this.#lesson = null;
    this.element.hidden = name === null;
    document.documentElement.toggleAttribute('data-guide', name !== null);
    fill(this.strip);
    this.drawer(name !== null && !(embedded() && name));
    requestAnimationFrame(() => this.page.refit());
    if (!name) {
      where('Playground');
      if (was && !booted) this.page.start(store());
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
}

/** Says in the bar and the title where the learner is. @param {string} place @param {string} [title] */
function where(place, title) {
  fill(must('.crumbs', HTMLElement), h('span.sl', null, '/'), title ? [h('span.nowrap', null, place), h('span.sl', null, '/'), h('b.cut', null, title)] : h('h1.cut.ch1', null, place));
  document.title = title ? `${title} · Bottleship` : 'Bottleship: a Docker host in this tab';
}
