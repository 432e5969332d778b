// The picture pane: Host, Files, Build and Sizes of the Docker host, and what is shown while there is none.
import { announce } from '../announce.js';
import { fill, h, icon } from '../dom.js';
import { Files, download } from '../files.js';
import { Live } from '../live.js';
import { summary } from '../model.js';
import * as settings from '../settings.js';
import { count, quote, size } from '../units.js';
import { buildView } from './build.js';
import { factsPanel, keyOf } from './facts.js';
import { list } from './list.js';
import { MIN_WIDTH, rows } from './rows.js';
import { sizes } from './sizes.js';
import { MAX_COLUMNS, stackColumns, stacks, stems } from './stacks.js';

/** @import { Host } from '../host.js' */
/** @import { Thing } from './shapes.js' */

/** @typedef {'host' | 'files' | 'build' | 'sizes'} View */
/** @type {[View, string][]} */
export const VIEWS = [['host', 'Host'], ['files', 'Files'], ['build', 'Build'], ['sizes', 'Sizes']];

/** An image of the shelf that is more than this many names is behind a search. */
const SHELF_MAX = 12;

export class Picture {
  /** @type {View} */ view = 'host';
  #selected = '';
  /** @type {Thing | null} */ #thing = null;
  /** @type {string[] | null} */ #catalog = null;
  /** @type {Set<string> | null} */ #seen = null;
  /** @type {string[]} */ #came = [];
  /** @type {string | null} */ #image = null;
  #find = '';
  #said = '';
  #shown = '';

  /**
   * @param {HTMLElement} element the pane
   * @param {Host} host
   * @param {{ type: (command: string, options?: { run?: boolean }) => void, start: (options?: { steal?: boolean, store?: string }) => void, reset: () => void, viewChanged: (view: View) => void, problem: () => string | null }} actions
   */
  constructor(element, host, actions) {
    this.element = element;
    this.host = host;
    this.actions = actions;
    this.live = new Live(host, () => this.draw());
    this.files = new Files(host, { type: (command) => actions.type(command) });
    this.tabs = h('div.tabs', { role: 'tablist', 'aria-label': 'Picture', onkeydown: (/** @type {KeyboardEvent} */ e) => this.#tabKey(e) });
    for (const [view, name] of VIEWS) this.tabs.append(h('button', { role: 'tab', id: `view-${view}`, 'aria-controls': 'picture-body', dataset: { view }, onclick: () => this.show(view) }, name));
    this.ledger = h('span.ledger', null);
    this.tools = h('div.row.ptools', null);
    this.body = h('div.pic', { role: 'tabpanel', id: 'picture-body' });
    fill(element, h('div.phead', null, this.tabs, h('span.grow', null), this.ledger, this.tools), this.body);
    element.removeAttribute('aria-busy');
    this.body.addEventListener('keydown', (e) => this.#arrow(e));
    host.on('state', () => this.#stateChanged());
    let frame = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.view === 'host' && this.live.model && this.draw());
    }).observe(this.body);
    settings.onChange(() => this.draw());
    this.show('host');
    this.#stateChanged();
  }

  #stateChanged() {
    if (this.host.state.state === 'ready') {
      this.live.start();
      void this.#loadCatalog();
      this.files.restarted();
    } else {
      this.live.stop();
      this.#seen = null;
      this.#thing = null;
      this.#selected = '';
    }
    this.draw();
  }

  /** The names in the site's own registry. */
  async #loadCatalog() {
    if (this.#catalog) return;
    try {
      const answer = await fetch('./v2/_catalog');
      const { repositories } = answer.ok ? await answer.json() : {};
      if (Array.isArray(repositories)) this.#catalog = repositories.filter((r) => typeof r === 'string').map((r) => r.replace(/^library\//, ''));
    } catch {
      // Offline: the shelf stays away.
    }
    this.draw();
  }

  /** @param {View} view */
  show(view) {
    this.view = view;
    for (const tab of /** @type {NodeListOf<HTMLElement>} */ (this.tabs.querySelectorAll('button'))) {
      const on = tab.dataset.view === view;
      tab.setAttribute('aria-selected', String(on));
      tab.tabIndex = on ? 0 : -1;
    }
    this.body.setAttribute('aria-labelledby', `view-${view}`);
    if (view === 'files' && this.host.state.state === 'ready') void this.files.refresh();
    this.actions.viewChanged(view);
    this.draw();
  }

  /** @param {KeyboardEvent} e */
  #tabKey(e) {
    const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    e.preventDefault();
    const at = VIEWS.findIndex(([v]) => v === this.view);
    this.show(VIEWS[(at + step + VIEWS.length) % VIEWS.length][0]);
    /** @type {HTMLElement | null} */ (this.tabs.querySelector('[aria-selected=true]'))?.focus();
  }

  focus() {
    const target = /** @type {HTMLElement | null} */ (this.body.querySelector('.slab, .tag, .ctr, [tabindex="0"], button') ?? this.tabs.querySelector('[aria-selected=true]'));
    target?.focus();
  }

  /** Arrows follow the tree as it is drawn: down is beneath. @param {KeyboardEvent} e */
  #arrow(e) {
    const from = /** @type {HTMLElement} */ (document.activeElement);
    if (!from?.dataset.key || !from.closest('.host')) return;
    if (e.key === 'c' && !e.ctrlKey && !e.metaKey && settings.get().letters && this.#thingId()) {
      navigator.clipboard?.writeText(this.#thingId()).then(() => announce('Copied the ID.'), () => {});
      return;
    }
    const direction = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[e.key];
    if (!direction) return;
    e.preventDefault();
    const a = from.getBoundingClientRect();
    const [ax, ay] = [a.left + a.width / 2, a.top + a.height / 2];
    let best = null;
    let least = Infinity;
    for (const to of /** @type {NodeListOf<HTMLElement>} */ (this.body.querySelectorAll('.host [data-key]'))) {
      if (to === from) continue;
      const b = to.getBoundingClientRect();
      const [dx, dy] = [b.left + b.width / 2 - ax, b.top + b.height / 2 - ay];
      const along = direction[0] ? dx * direction[0] : dy * direction[1];
      if (along < 4) continue;
      const overlap = direction[1] ? Math.max(0, Math.max(a.left, b.left) - Math.min(a.right, b.right)) : Math.abs(dy);
      const cost = along + overlap * 4;
      if (cost < least) {
        least = cost;
        best = to;
      }
    }
    best?.focus();
  }

  #thingId() {
    const t = this.#thing;
    if (!t) return '';
    return t.kind === 'layer' ? t.slab.top.diffId : t.kind === 'image' ? t.image.id : t.kind === 'container' ? t.container.id : t.name;
  }

  /** @param {Thing} thing */
  #select(thing) {
    const key = keyOf(thing);
    this.#selected = this.#selected === key ? '' : key;
    this.#thing = this.#selected ? thing : null;
    this.draw();
  }

  /** The open thing as the newest model has it, or nothing once it is gone. */
  #current() {
    const { model } = this.live;
    const t = this.#thing;
    if (!t || !model) return null;
    if (t.kind === 'image') {
      const image = model.images.find((i) => i.id === t.image.id);
      return image ? /** @type {Thing} */ ({ kind: 'image', image }) : null;
    }
    if (t.kind === 'container') {
      const container = model.containers.find((c) => c.id === t.container.id);
      return container ? /** @type {Thing} */ ({ kind: 'container', container }) : null;
    }
    if (t.kind === 'layer') {
      const all = new Map(model.images.flatMap((i) => i.layers.map((l) => /** @type {const} */ ([l.key, l]))));
      const layers = t.slab.layers.map((l) => all.get(l.key)).filter((l) => l !== undefined);
      const top = all.get(t.slab.top.key);
      return top ? /** @type {Thing} */ ({ kind: 'layer', slab: { layers, size: t.slab.size, top } }) : null;
    }
    return t;
  }

  /** Which things came since the last drawing. */
  #notice() {
    const { model } = this.live;
    if (!model) return;
    const keys = [...model.images.flatMap((i) => [...i.layers.map((l) => `l:${l.key}`), `i:${i.id}`]), ...model.containers.map((c) => `c:${c.id}`)];
    this.#came = this.#seen ? [...new Set(keys.filter((k) => !this.#seen?.has(k)))] : [];
    this.#seen = new Set(keys);
    const said = summary(model, size);
    if (said !== this.#said && this.#said) announce(said);
    this.#said = said;
  }

  draw() {
    const { state, message } = this.host.state;
    const focused = this.body.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement)?.dataset.key : undefined;
    const scroller = () => this.body.querySelector('.lst, .host, .sizes, .bld');
    const shown = `${this.view} ${this.#layout()} ${state}`;
    const scrolled = this.#shown === shown ? scroller() : null;
    const [x, y] = [scrolled?.scrollLeft ?? 0, scrolled?.scrollTop ?? 0];
    this.#drawHead();
    this.element.dataset.view = this.view;
    const problem = this.actions.problem();
    if (problem) fill(this.body, this.#saying('bad', 'The Docker host can’t run in this browser', problem, []));
    else if (state === 'starting') fill(this.body, this.#skeleton());
    else if (state === 'stopped') fill(this.body, this.#stopped(message ?? ''));
    else if (state === 'taken')
      fill(
        this.body,
        this.#saying('warn', 'The Docker host is open in another tab', 'Two tabs writing to one disk would spoil it, so one tab at a time has it.', [h('button.btn.pri', { onclick: () => this.actions.start({ steal: true }) }, 'Use it here'), h('button.btn', { onclick: () => this.actions.start() }, 'Try again')]),
      );
    else if (state === 'lost') fill(this.body, this.#saying('warn', 'Another tab has the Docker host now', 'Everything saved is there.', [h('button.btn.pri', { onclick: () => this.actions.start({ steal: true }) }, 'Use it here')]));
    else if (this.view === 'files') {
      if (this.body.firstElementChild !== this.files.element) fill(this.body, this.files.element);
      return;
    } else if (!this.live.model) fill(this.body, this.live.error ? this.#saying('bad', 'Docker does not answer', this.live.error.message, [h('button.btn', { onclick: () => this.live.refresh() }, 'Ask again')]) : this.#skeleton());
    else {
      this.#notice();
      this.#drawModel();
    }
    const now = scroller();
    if (now && scrolled) now.scrollTo(x, y);
    // Stacks stand on their bases: those are seen first.
    else if (now?.matches('.host:not(.rowsform)')) now.scrollTop = now.scrollHeight;
    if (this.live.model) this.#shown = shown;
    const host = /** @type {HTMLElement | null} */ (this.body.querySelector('.host:has(.nets)'));
    if (host) {
      stems(host);
      // The networks stay in sight while the stacks move beneath them.
      host.addEventListener('scroll', () => stems(host), { passive: true });
    }
    if (focused) /** @type {HTMLElement | null} */ (this.body.querySelector(`[data-key="${CSS.escape(focused)}"]`))?.focus();
  }

  #layout() {
    const { model } = this.live;
    const chosen = settings.get().layout;
    if (chosen || !model) return chosen ?? 'stacks';
    const fits = Math.min(MAX_COLUMNS, Math.max(2, Math.floor(this.body.clientWidth / 170)));
    if (stackColumns(model) <= fits) return 'stacks';
    return this.body.clientWidth >= MIN_WIDTH ? 'rows' : 'list';
  }

  #drawModel() {
    const model = /** @type {import('../model.js').Model} */ (this.live.model);
    if (this.view === 'build') {
      fill(
        this.body,
        buildView(model, {
          detail: (id) => this.live.detail(id),
          chosen: this.#image,
          choose: (id) => {
            this.#image = id;
            this.draw();
          },
          edit: () => {
            this.show('files');
            void this.files.newFile();
          },
          select: (layer) => {
            this.show('host');
            this.#selected = '';
            this.#select({ kind: 'layer', slab: { layers: [layer], size: layer.size, top: layer } });
          },
        }),
      );
      return;
    }
    if (this.view === 'sizes') return fill(this.body, sizes(model));
    const shelf = this.#shelf();
    const view = {
      select: (/** @type {Thing} */ t) => this.#select(t),
      selected: this.#selected,
      isNew: (/** @type {string} */ key) => this.#came.indexOf(key),
    };
    const empty = !model.images.length && !model.containers.length && !model.volumes.length;
    const layout = this.#layout();
    const main = empty ? this.#ghost() : layout === 'list' ? list(model, view) : layout === 'rows' ? rows(model, view, this.body.clientWidth) : stacks(model, view);
    const thing = this.#current();
    const panel = thing
      ? factsPanel(thing, model, {
          close: () => this.#thing && this.#select(this.#thing),
          type: this.actions.type,
          saveImage: (name) => void this.saveImage(name),
          changes: async (id) => (await this.host.json(`/containers/${id}/changes`)) ?? [],
        })
      : null;
    fill(this.body, h('p.sr', null, summary(model, size)), layout === 'stacks' || empty ? shelf : null, main, panel);
    if (this.#find) this.#applyFind();
  }

  #drawHead() {
    const { state } = this.host.state;
    const { model } = this.live;
    if (state === 'starting') fill(this.ledger, 'starting');
    else if (state !== 'ready') fill(this.ledger, h('span.stopped', null, state === 'stopped' ? 'stopped' : 'elsewhere'));
    else if (!model) fill(this.ledger, '');
    else if (!model.images.length && !model.containers.length) fill(this.ledger, 'empty host');
    else {
      const running = model.containers.filter((c) => c.state === 'running').length;
      const number = (/** @type {number} */ n, /** @type {string} */ one) => {
        const [value, word] = count(n, one).split(' ');
        return h('span', null, h('b', null, value), ` ${word}`);
      };
      fill(
        this.ledger,
        number(model.images.length, 'image'),
        h('span', null, number(model.containers.length, 'container'), model.containers.length ? `, ${running ? `${running} running` : 'stopped'}` : ''),
        h('span.wide-only', null, 'docker images says ', h('b', null, size(model.imagesSize))),
        h('span', null, 'on disk ', h('b', null, size(model.layersSize))),
      );
    }
    const tools = [];
    if (this.view === 'host' && model && state === 'ready' && (model.images.length || model.containers.length)) {
      const layout = this.#layout();
      const button = (/** @type {'stacks' | 'rows' | 'list'} */ which, /** @type {string} */ name) => h('button', { class: `${which}-choice`, 'aria-pressed': String(layout === which), onclick: () => settings.set({ layout: which }) }, name);
      tools.push(h('div.seg', { role: 'group', 'aria-label': 'Layout' }, button('stacks', 'Stacks'), button('rows', 'Rows'), button('list', 'List')));
      tools.push(h('button.btn.ghost.icon.sm', { 'aria-label': 'Find', title: 'Find  /', onclick: () => this.find() }, icon('search')));
    }
    // Replacing a focused button would lose the focus.
    const focused = this.tools.contains(document.activeElement) ? [...this.tools.querySelectorAll('button')].indexOf(/** @type {any} */ (document.activeElement)) : -1;
    const searching = this.tools.querySelector('input');
    if (searching && document.activeElement === searching) return;
    fill(this.tools, tools);
    if (focused >= 0) this.tools.querySelectorAll('button')[focused]?.focus();
  }

  /** Asks for a word and shows what has it. */
  find() {
    if (this.view !== 'host') this.show('host');
    const input = h('input.field.sm', { type: 'search', placeholder: 'Find an image, container, layer', 'aria-label': 'Find', value: this.#find, spellcheck: 'false' });
    const done = () => {
      input.remove();
      this.draw();
    };
    input.addEventListener('input', () => {
      this.#find = input.value.toLowerCase();
      this.#applyFind();
    });
    input.addEventListener('keydown', (e) => {
      if (e.key === 'Escape') {
        this.#find = '';
        done();
        this.focus();
      } else if (e.key === 'Enter') {
        const hit = /** @type {HTMLElement | null} */ (this.body.querySelector('.found'));
        done();
        hit?.focus();
      }
      e.stopPropagation();
    });
    input.addEventListener('blur', () => !input.value && done());
    fill(this.tools, input);
    input.focus();
    input.select();
  }

  #applyFind() {
    let hits = 0;
    for (const el of /** @type {NodeListOf<HTMLElement>} */ (this.body.querySelectorAll('[data-key]'))) {
      const hit = !!this.#find && `${el.textContent} ${el.getAttribute('aria-label') ?? ''}`.toLowerCase().includes(this.#find);
      el.classList.toggle('found', hit);
      if (hit && hits++ === 0) el.scrollIntoView({ block: 'nearest' });
    }
    this.body.classList.toggle('finding', !!this.#find);
    if (this.#find) announce(count(hits, 'hit'));
  }

  #shelf() {
    if (!this.#catalog?.length) return null;
    return h(
      'div.reg',
      { role: 'group', 'aria-label': 'Registry' },
      h('span.zone', null, 'Registry'),
      this.#catalog.slice(0, SHELF_MAX).map((name) => h('button.it', { title: `docker pull ${name}`, 'aria-label': `Pull ${name}`, onclick: () => this.actions.type(`docker pull ${quote(name)}`) }, h('span.cut', null, name))),
      this.#catalog.length > SHELF_MAX ? h('span.s12.dim', null, `and ${this.#catalog.length - SHELF_MAX} more: docker search`) : null,
    );
  }

  #ghost() {
    return h(
      'div.host',
      null,
      h('div.stage', null, h('div.gk', null, h('div.c', null, h('div', null, 'a container: your program runs here'), h('div', null, h('span', null, 'its own writable layer'))), h('div.t', null, 'the image it was made from'), h('div.l', null, 'a layer of files'), h('div.l', null, 'the layer beneath it'))),
    );
  }

  #progress = { loaded: 0, total: 0 };

  /** Bytes of the engine and the root file system that came. @param {number} loaded @param {number} total */
  progress(loaded, total) {
    this.#progress = { loaded, total };
    const bar = /** @type {HTMLElement | null} */ (this.body.querySelector('.starting .meter i'));
    if (!bar) return;
    bar.style.width = `${total ? Math.min(100, (100 * loaded) / total) : 0}%`;
    const text = this.body.querySelector('.starting .num');
    if (text) text.textContent = this.#progressText();
  }

  #progressText() {
    const { loaded, total } = this.#progress;
    return total ? `${size(loaded)} of ${size(total)}. Next visits start from this device.` : 'Next visits start from this device.';
  }

  #skeleton() {
    const { loaded, total } = this.#progress;
    return h(
      'div.host.starting',
      { 'aria-busy': 'true' },
      h('div.grow.startbox', null, h('b', null, 'Starting the Docker host'), h('div.meter', null, h('i', { style: { width: `${total ? Math.min(100, (100 * loaded) / total) : 0}%` } })), h('span.s13.t2.num', null, this.#progressText())),
      h('div.skel', { 'aria-hidden': 'true' }, ['72px', '14px', '26px', '26px'].map((height, i) => h('span.sk', { style: { height, width: i === 1 ? '140px' : '100%' } }))),
    );
  }

  /** @param {'bad' | 'warn'} kind @param {string} title @param {string} text @param {HTMLElement[]} buttons @param {import('../dom.js').Child[]} [more] */
  #saying(kind, title, text, buttons, more = []) {
    return h('div.host.center', null, h('div.say.big', { role: 'alert' }, h(`div.row.${kind}`, null, icon('warn', 18), h('h2', null, title)), h('p.t2', null, text), buttons.length ? h('div.row.say-row', null, buttons) : null, ...more));
  }

  /** @param {string} message */
  #stopped(message) {
    const storage = /IndexedDB|indexedDB|storage|QuotaExceeded|SecurityError/i.test(message);
    const text = storage
      ? `This browser refuses to keep data for this page (${message}). The host can run all the same, but nothing survives a reload.`
      : message || 'The browser ended it without a word, most often because the device was short of memory.';
    return this.#saying(
      'bad',
      storage ? 'The host has no disk' : 'The Docker host stopped',
      text,
      [h('button.btn.pri', { onclick: () => this.actions.start() }, 'Start again'), storage ? h('button.btn', { onclick: () => this.actions.start({ store: '' }) }, 'Start without keeping anything') : h('button.btn', { onclick: () => this.actions.reset() }, 'Start empty')],
      [h('p.s13.t2', null, storage ? 'Private windows and strict settings do this.' : 'What was saved is kept unless you start empty. It may help to close other tabs.')],
    );
  }

  /** `docker save` into a file of this device. @param {string} name */
  async saveImage(name) {
    announce(`Saving ${name}.`);
    try {
      const { status, chunks } = await this.host.api('GET', `/images/${name}/get`);
      if (status !== 200) throw new Error(JSON.parse(await new Blob(/** @type {BlobPart[]} */ (chunks)).text()).message);
      download(`${name.replaceAll(/[^\w.-]+/g, '_')}.tar`, /** @type {BlobPart[]} */ (chunks));
      announce(`Saved ${name}.`);
    } catch (error) {
      announce(`${name} can't be saved: ${/** @type {Error} */ (error).message}`, 'assertive');
    }
  }
}
