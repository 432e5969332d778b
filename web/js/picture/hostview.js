// Host: the layers, images and containers of the host as stacks, rows or a list, with what is known of the thing that is
// open beside it.
import { announce } from '../announce.js';
import { fill, h, icon } from '../dom.js';
import { slab as slabOf, summary } from '../model.js';
import * as settings from '../settings.js';
import { count, quote, size } from '../units.js';
import { describe, foundAgain, keysOf, wrote } from './change.js';
import { factsPanel, keyOf } from './facts.js';
import { MANY, fold } from './fold.js';
import { onlyUnder } from './freed.js';
import { gridKey, neighbour } from './keys.js';
import { list } from './list.js';
import { morph } from './morph.js';
import { move, places } from './motion.js';
import { MIN_WIDTH, rows } from './rows.js';
import { MAX_COLUMNS, stackColumns, stacks, stems } from './stacks.js';
import { ghost } from './waiting.js';

/** @import { Image, Model } from '../model.js' */
/** @import { Actions } from './facts.js' */
/** @import { Thing, View } from './shapes.js' */

/** An image of the shelf that is more than this many names is behind a search. */
const SHELF_MAX = 12;
/** A status is said when nothing changed for so long, in ms. */
const QUIET = 600;

export class HostView {
  /** What came, went and moved is shown; not while someone scrubs through time. */ animate = true;
  /** Names in the registry. @type {string[]} */ catalog = [];
  #opened = '';
  /** @type {Thing | null} */ #thing = null;
  /** @type {Set<string>} */ #chosen = new Set();
  /** @type {Set<string>} */ #unfolded = new Set();
  /** @type {Set<string>} */ #expanded = new Set();
  #roving = '';
  #all = false;
  #find = '';
  /** @type {Model | null} */ #model = null;
  /** @type {Model | null} the model that was last told of */ #told = null;
  /** @type {Set<string>} */ #actions = new Set();
  /** @type {{ images: string[], at: number }} */ #pulled = { images: [], at: 0 };
  #saying = 0;
  /** @type {Map<string, Thing>} */ #things = new Map();
  /** What the panel says, in short. @type {string | null} */ #panelFor = '';
  /** What is drawn, and how. */ #form = '';

  /** @param {Actions & { compare: (a: string, b: string) => void, redraw: () => void }} actions */
  constructor(actions) {
    this.actions = actions;
    this.words = h('p.sr', { id: 'picture-summary' });
    this.drawing = h('div.host', null);
    this.shelf = h('div.reg', { role: 'group', 'aria-label': 'Registry', hidden: true });
    this.panel = h('div.panel', null);
    this.tray = h('div.tray', { role: 'region', 'aria-label': 'Selected', hidden: true });
    this.element = h('div.hostview', null, this.words, this.shelf, h('div.hostmain', null, this.drawing, this.tray), this.panel);
    this.element.addEventListener('click', (e) => this.#click(e));
    this.element.addEventListener('keydown', (e) => this.#key(e));
    this.drawing.addEventListener('focusin', (e) => {
      const row = /** @type {HTMLElement} */ (e.target).closest('tr[data-key]');
      if (row instanceof HTMLElement) this.#roving = row.dataset.key ?? '';
    });
    // The networks stay in sight while the stacks move beneath them.
    this.drawing.addEventListener('scroll', () => this.#stems(), { passive: true });
  }

  /** The host is another one. */
  forget() {
    this.#model = null;
    this.#told = null;
    this.#thing = null;
    this.#opened = '';
    this.#chosen.clear();
    this.#unfolded.clear();
    this.#form = '';
    clearTimeout(this.#saying);
  }

  /** What Docker says happens. @param {any} event of the Engine API */
  heard(event) {
    if (event?.Type !== 'image') return;
    this.#actions.add(String(event.Action));
    if (event.Action === 'pull') this.#pulled = { images: [...this.#pulled.images.slice(-3), String(event.Actor?.ID ?? '')], at: performance.now() };
  }

  /** @param {Model} model @param {number} width of the picture, in px */
  layout(model, width) {
    const chosen = settings.get().layout;
    if (chosen) return chosen;
    const fits = Math.min(MAX_COLUMNS, Math.max(2, Math.floor(width / 170)));
    if (stackColumns(model) <= fits) return 'stacks';
    return width >= MIN_WIDTH ? 'rows' : 'list';
  }

  /** Whether a choice between all and what is in use makes sense. @param {Model} model */
  folds(model) {
    return model.images.length > MANY;
  }

  get all() {
    return this.#all;
  }

  set all(all) {
    this.#all = all;
    this.#unfolded.clear();
    this.actions.redraw();
  }

  /** @param {Model} model @param {number} width */
  draw(model, width) {
    const before = this.#model;
    this.#model = model;
    if (before !== model) this.#tell(model);
    const empty = !model.images.length && !model.containers.length && !model.volumes.length;
    const layout = this.layout(model, width);
    this.#current(model);
    const hit = (/** @type {Image} */ i) => !!this.#find && [...i.names, ...i.layers.map((l) => `${l.name} ${l.createdBy}`)].join(' ').toLowerCase().includes(this.#find);
    const shown = this.folds(model) && !this.#all && layout !== 'list' ? fold(model, { opened: this.#unfolded, wanted: hit }) : model;
    this.#things = new Map();
    /** @type {View} */
    const view = { things: this.#things, opened: this.#opened, chosen: this.#chosen, path: this.#path(), expanded: this.#expanded, roving: this.#roving };
    const next = empty ? ghost() : layout === 'list' ? list(model, view) : layout === 'rows' ? rows(shown, view, width) : stacks(shown, view);
    const form = `${layout} ${empty}`;
    const same = this.#form === form && !empty;
    this.#form = form;
    const changed = before && before !== model && same && this.animate;
    const old = changed ? places(this.drawing) : null;
    morph(this.drawing, next);
    if (!same && layout === 'stacks') this.drawing.scrollTop = this.drawing.scrollHeight; // Stacks stand on their bases.
    this.#drawShelf(empty || layout === 'stacks');
    this.#drawPanel(model);
    this.#drawTray(model);
    this.words.textContent = summary(model, size);
    this.#stems();
    if (old && before) this.#move(before, model, old);
    if (this.#find) this.#mark();
  }

  /** @param {Model} before @param {Model} after @param {Map<string, DOMRect>} old */
  #move(before, after, old) {
    const [was, is] = [keysOf(before), keysOf(after)];
    const [had, has] = [new Set(was), new Set(is)];
    // What a fold shows or hides is not a change of the host.
    const pulled = performance.now() - this.#pulled.at < 5000;
    const shelf = pulled && !this.shelf.hidden ? [...this.shelf.querySelectorAll('[data-key]')].find((e) => this.#pulled.images.some((i) => i.replace(/:.*$/, '') === /** @type {HTMLElement} */ (e).dataset.key?.slice(2))) : null;
    move(this.drawing, old, {
      came: is.filter((k) => !had.has(k)),
      again: foundAgain(before, after),
      gone: was.filter((k) => !has.has(k)),
      wrote: wrote(before, after).map((c) => `c:${c.id}`),
      from: shelf?.getBoundingClientRect() ?? null,
    });
  }

  /** Says what changed once it has settled: one status a command. @param {Model} model */
  #tell(model) {
    this.#told ??= model;
    clearTimeout(this.#saying);
    this.#saying = window.setTimeout(() => this.settled(), QUIET);
  }

  /** A command is over, or nothing changed for a while. */
  settled() {
    clearTimeout(this.#saying);
    if (!this.#told || !this.#model || this.#told === this.#model) return;
    const said = describe(this.#told, this.#model, this.#actions);
    this.#told = this.#model;
    this.#actions.clear();
    if (said && this.animate) announce(said);
  }

  /** Keys of the layers beneath what is open. */
  #path() {
    const t = this.#thing;
    const top = t?.kind === 'layer' ? t.slab.top : t?.kind === 'image' ? t.image.top : t?.kind === 'container' ? this.#model?.images.find((i) => i.id === t.container.imageId)?.top : null;
    /** @type {Set<string>} */
    const path = new Set();
    for (let at = top; at; at = at.parent) path.add(`l:${at.key}`);
    return path;
  }

  #stems() {
    if (this.drawing.querySelector('.nets')) stems(this.drawing);
  }

  // What is pressed ------------------------------------------------------------------------------------------------------

  /** @param {MouseEvent} e */
  #click(e) {
    const element = /** @type {HTMLElement} */ (e.target).closest('[data-key]');
    if (!(element instanceof HTMLElement)) return;
    const thing = this.#things.get(element.dataset.key ?? '');
    if (!thing) return;
    if (thing.kind === 'pull') return this.actions.type(`docker pull ${quote(thing.name)}`);
    if (thing.kind === 'fold') return this.#unfold(thing.fold.key);
    // Enter opens and Space selects; a press of the pointer opens, with Ctrl or Shift it selects.
    if (e.ctrlKey || e.metaKey || e.shiftKey) this.#choose(element.dataset.key ?? '');
    else this.#open(element.dataset.key ?? '', thing);
  }

  /** @param {string} key */
  #unfold(key) {
    this.#unfolded.add(key);
    const first = this.#model && [...this.#things.values()].find((t) => t.kind === 'fold' && t.fold.key === key);
    this.actions.redraw();
    if (first?.kind === 'fold') /** @type {HTMLElement | null} */ (this.drawing.querySelector(`[data-key="${CSS.escape(`i:${first.fold.images[0].id}`)}"]`))?.focus();
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const from = /** @type {HTMLElement} */ (document.activeElement);
    const key = from?.dataset.key;
    if (key === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    const thing = this.#things.get(key);
    if (!thing) return;
    if (e.key === 'c' && settings.get().letters) {
      const id = idOf(thing);
      if (id) navigator.clipboard?.writeText(id).then(() => announce('Copied the ID.'), () => announce('The browser refused the clipboard.', 'assertive'));
    } else if (e.key === ' ' && thing.kind !== 'pull' && thing.kind !== 'fold') this.#choose(key);
    else if (e.key === 'Escape' && (this.#opened || this.#chosen.size)) this.close();
    else if (from.matches('tr')) {
      if (e.key === 'Enter') this.#open(key, thing);
      else {
        const to = gridKey(from, e.key);
        if (to === undefined) return;
        if (to === 'expand' || to === 'collapse') {
          if (to === 'expand') this.#expanded.add(key);
          else this.#expanded.delete(key);
          this.actions.redraw();
        } else if (to) {
          from.tabIndex = -1;
          to.tabIndex = 0;
          to.focus();
        }
      }
    } else {
      const to = neighbour(this.drawing, from, e.key);
      if (to === undefined) return;
      to?.focus();
    }
    e.preventDefault();
    e.stopPropagation();
  }

  /** @param {string} key */
  #choose(key) {
    if (!this.#chosen.delete(key)) this.#chosen.add(key);
    announce(this.#chosen.has(key) ? `Selected, ${count(this.#chosen.size, 'thing')}.` : 'Not selected.');
    this.actions.redraw();
  }

  /** Opens a thing, or closes it when it is open. @param {string} key @param {Thing} thing */
  #open(key, thing) {
    const same = this.#opened === key;
    this.#opened = same ? '' : key;
    this.#thing = same ? null : thing;
    this.#panelFor = null;
    this.actions.redraw();
  }

  /** Opens a thing of the model. @param {Thing} thing */
  open(thing) {
    this.#opened = '';
    this.#open(keyOf(thing), thing);
  }

  close() {
    const from = this.#opened;
    this.#opened = '';
    this.#thing = null;
    this.#chosen.clear();
    this.actions.redraw();
    /** @type {HTMLElement | null} */ (this.drawing.querySelector(`[data-key="${CSS.escape(from)}"]`))?.focus();
  }

  /** The open thing as the newest model has it, or nothing once it is gone. @param {Model} model */
  #current(model) {
    const t = this.#thing;
    if (!t) return;
    this.#thing = renewed(t, model);
    if (!this.#thing) this.#opened = '';
    const keys = new Set(keysOf(model));
    for (const key of this.#chosen) if (!keys.has(key)) this.#chosen.delete(key);
  }

  // Beside the drawing ----------------------------------------------------------------------------------------------------

  /** @param {boolean} wanted */
  #drawShelf(wanted) {
    this.shelf.hidden = !wanted || !this.catalog.length;
    if (this.shelf.hidden) return;
    const names = this.catalog.slice(0, SHELF_MAX);
    for (const name of names) this.#things.set(`r:${name}`, { kind: 'pull', name });
    const next = h(
      'div.reg',
      { role: 'group', 'aria-label': 'Registry' },
      h('span.zone', null, 'Registry'),
      names.map((name) => h('button.it', { title: `docker pull ${name}`, 'aria-label': `Pull ${name}`, dataset: { key: `r:${name}` } }, h('span.cut', null, name))),
      this.catalog.length > SHELF_MAX ? h('span.s12.dim', null, `and ${this.catalog.length - SHELF_MAX} more: docker search`) : null,
    );
    morph(this.shelf, next);
  }

  /** @param {Model} model */
  #drawPanel(model) {
    const thing = this.#thing;
    // Drawn anew only when what it says changed: someone may be reading in it.
    const sign = thing ? JSON.stringify([this.#opened, thing.kind === 'container' ? { ...thing.container, status: '' } : thing.kind === 'image' ? [thing.image.names, thing.image.containers.map((c) => c.name)] : thing.kind === 'layer' ? model.images.filter((i) => i.layers.includes(thing.slab.top)).map((i) => [i.names, i.containers.map((c) => c.name)]) : [model.volumes, model.networks].map((x) => x.map((y) => [y.name, y.containers.map((c) => c.name)]))]) : '';
    if (sign === this.#panelFor) return;
    this.#panelFor = sign;
    const focused = this.panel.contains(document.activeElement);
    fill(this.panel, thing ? factsPanel(thing, model, this.actions) : null);
    if (focused) /** @type {HTMLElement | null} */ (this.panel.querySelector('button'))?.focus();
  }

  /** What is selected, and what can be done with it. @param {Model} model */
  #drawTray(model) {
    this.tray.hidden = !this.#chosen.size;
    if (this.tray.hidden) return fill(this.tray);
    const images = model.images.filter((i) => this.#chosen.has(`i:${i.id}`));
    const containers = model.containers.filter((c) => this.#chosen.has(`c:${c.id}`));
    const name = (/** @type {Image} */ i) => (i.names[0] === '<none>' ? i.id.slice(7, 19) : i.names[0]);
    const command = (/** @type {string} */ c) => h('button.btn.sm.cmd', { title: 'Types this into the terminal', onclick: () => this.actions.type(c, { run: false }) }, h('code', null, c));
    const only = images.length + containers.length === this.#chosen.size;
    fill(
      this.tray,
      h('b', null, `${this.#chosen.size} selected`),
      images.length === 2 && only ? h('button.btn.sm', { onclick: () => this.actions.compare(images[0].id, images[1].id) }, 'Compare the two images') : null,
      images.length && !containers.length && only ? command(`docker rmi ${images.map((i) => quote(name(i))).join(' ')}`) : null,
      containers.length && !images.length && only ? command(`docker rm -f ${containers.map((c) => c.name).join(' ')}`) : null,
      images.length && !containers.length && only ? h('span.s13', null, images.some((i) => i.containers.length) ? 'Containers stand on them.' : ['frees ', h('b.num', null, size(onlyUnder(images)))]) : null,
      images.length !== 2 ? h('span.s12.t2', null, 'Select two images to compare them.') : null,
      h('span.grow', null),
      h('button.btn.ghost.icon.sm', { 'aria-label': 'Select nothing', onclick: () => (this.#chosen.clear(), this.actions.redraw()) }, icon('close')),
    );
  }

  // Finding ---------------------------------------------------------------------------------------------------------------

  get found() {
    return this.#find;
  }

  /** Shows what has a word. @param {string} word */
  find(word) {
    this.#find = word.toLowerCase();
    this.actions.redraw();
    this.#mark();
    if (this.#find) announce(count(this.drawing.querySelectorAll('.found').length, 'hit'));
  }

  #mark() {
    let hits = 0;
    for (const e of /** @type {NodeListOf<HTMLElement>} */ (this.drawing.querySelectorAll('[data-key]'))) {
      const hit = !!this.#find && `${e.textContent} ${e.getAttribute('aria-label') ?? ''} ${e.querySelector('[title]')?.getAttribute('title') ?? ''}`.toLowerCase().includes(this.#find);
      e.classList.toggle('found', hit);
      if (hit && hits++ === 0) e.scrollIntoView({ block: 'nearest' });
    }
    this.drawing.classList.toggle('finding', !!this.#find);
  }

  focus() {
    const target = this.drawing.querySelector('.found') ?? this.drawing.querySelector('button[data-key], tr[tabindex="0"]') ?? this.shelf.querySelector('button');
    /** @type {HTMLElement | null} */ (target)?.focus();
    return !!target;
  }
}

/** What `c` copies. @param {Thing} t */
function idOf(t) {
  switch (t.kind) {
    case 'layer':
      return t.slab.top.diffId;
    case 'image':
      return t.image.id;
    case 'container':
      return t.container.id;
    case 'fold':
      return '';
    default:
      return t.name;
  }
}

/** A thing as a newer model has it. @param {Thing} t @param {Model} model @returns {Thing | null} */
function renewed(t, model) {
  if (t.kind === 'image') {
    const image = model.images.find((i) => i.id === t.image.id);
    return image ? { kind: 'image', image } : null;
  }
  if (t.kind === 'container') {
    const container = model.containers.find((c) => c.id === t.container.id);
    return container ? { kind: 'container', container } : null;
  }
  if (t.kind === 'layer') {
    const all = new Map(model.images.flatMap((i) => i.layers.map((l) => /** @type {const} */ ([l.key, l]))));
    const top = all.get(t.slab.top.key);
    if (!top) return null;
    const layers = t.slab.layers.map((l) => all.get(l.key)).filter((l) => l !== undefined);
    return { kind: 'layer', slab: layers.length === t.slab.layers.length ? { layers, size: t.slab.size, top } : slabOf(top) };
  }
  if (t.kind === 'volume') return model.volumes.some((v) => v.name === t.name) ? t : null;
  if (t.kind === 'network') return model.networks.some((n) => n.name === t.name) ? t : null;
  return null;
}
