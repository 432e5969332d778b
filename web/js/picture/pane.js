// The picture pane: Host, Files, Build and Sizes of the Docker host, and what is shown while there is none.
import { announce } from '../announce.js';
import { fill, h, icon } from '../dom.js';
import { Builds } from '../builds.js';
import { download } from '../download.js';
import { Files } from '../files.js';
import { Live } from '../live.js';
import { Preview, published } from '../preview/preview.js';
import * as settings from '../settings.js';
import { count, size } from '../units.js';
import { buildView } from './build.js';
import { Compare, imageName } from './compare.js';
import { Explorer } from './explorer.js';
import { HostView } from './hostview.js';
import { sizes } from './sizes.js';
import { progressed, saying, skeleton, stopped } from './waiting.js';

/** @import { Host } from '../host.js' */

/** @typedef {'host' | 'files' | 'build' | 'sizes' | 'preview'} View */
/** @type {[View, string][]} */
export const VIEWS = [['host', 'Host'], ['files', 'Files'], ['build', 'Build'], ['sizes', 'Sizes'], ['preview', 'Preview']];

/** A shell that says nothing for so long is not waited for, in ms. */
const PROMPT_MS = 1000;

export class Picture {
  /** @type {View} */ view = 'host';
  /** @type {string | null} */ #image = null;
  #catalogue = false;
  /** What Files looks into. @type {'host' | 'image' | 'compare'} */ #look = 'host';
  #shown = '';
  #progress = { loaded: 0, total: 0 };

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
    this.preview = new Preview(host);
    this.builds = new Builds(host);
    this.builds.changed = () => this.view === 'build' && this.draw();
    this.explorer = new Explorer(host, this.builds);
    this.comparison = new Compare(host);
    this.hostView = new HostView({
      type: actions.type,
      close: () => this.hostView.close(),
      saveImage: (name) => void this.saveImage(name),
      changes: async (id) => (await host.json(`/containers/${id}/changes`)) ?? [],
      processes: (id) => host.json(`/containers/${id}/top?ps_args=${encodeURIComponent('-o pid,comm,args')}`),
      openFiles: (image, layer, container) => {
        this.explorer.show({ image, layer, container });
        this.#look = 'image';
        this.show('files');
      },
      compare: (a, b) => {
        this.comparison.show(a, b);
        this.#look = 'compare';
        this.show('files');
      },
      preview: (port) => {
        this.preview.open(port);
        this.show('preview');
      },
      redraw: () => this.draw(),
    });
    host.on('docker', (event) => this.hostView.heard(event));
    this.tabs = h('div.tabs', { role: 'tablist', 'aria-label': 'Picture', onkeydown: (/** @type {KeyboardEvent} */ e) => this.#tabKey(e) });
    for (const [view, name] of VIEWS) this.tabs.append(h('button', { role: 'tab', id: `view-${view}`, 'aria-controls': 'picture-body', dataset: { view }, onclick: () => this.show(view) }, name));
    this.ledger = h('span.ledger', null);
    this.tools = h('div.row.ptools', null);
    this.body = h('div.pic', { role: 'tabpanel', id: 'picture-body' });
    fill(element, h('div.phead', null, this.tabs, h('span.grow', null), this.ledger, this.tools), this.body);
    element.removeAttribute('aria-busy');
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
    if (this.host.state.state === 'ready') void this.#follow();
    else {
      this.live.stop();
      this.hostView.forget();
    }
    this.draw();
  }

  /** Looks at the host once its prompt is there, which is waited for more. */
  async #follow() {
    const { state } = this.host;
    await Promise.race([this.host.spoken, new Promise((resolve) => setTimeout(resolve, PROMPT_MS))]);
    if (this.host.state !== state) return;
    this.live.start();
    void this.#loadCatalog();
    this.files.restarted();
  }

  /** The names in the site's own registry. */
  async #loadCatalog() {
    if (this.#catalogue) return;
    try {
      const answer = await fetch('./v2/_catalog');
      const { repositories } = answer.ok ? await answer.json() : {};
      if (Array.isArray(repositories)) {
        this.hostView.catalog = repositories.filter((r) => typeof r === 'string').map((r) => r.replace(/^library\//, ''));
        this.#catalogue = true;
      }
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
    const shown = VIEWS.filter(([v]) => !(/** @type {HTMLElement} */ (this.tabs.querySelector(`[data-view=${v}]`)).hidden));
    const at = shown.findIndex(([v]) => v === this.view);
    this.show(shown[(at + step + shown.length) % shown.length][0]);
    /** @type {HTMLElement | null} */ (this.tabs.querySelector('[aria-selected=true]'))?.focus();
  }

  focus() {
    if (this.view === 'host' && this.live.model && this.hostView.focus()) return;
    const target = /** @type {HTMLElement | null} */ (this.body.querySelector('[tabindex="0"], button') ?? this.tabs.querySelector('[aria-selected=true]'));
    target?.focus();
  }

  draw() {
    const { state, message } = this.host.state;
    this.#drawHead();
    this.element.dataset.view = this.view;
    const tab = /** @type {HTMLElement} */ (this.tabs.querySelector('[data-view=preview]'));
    tab.hidden = this.view !== 'preview' && !published(this.live.model).length;
    const problem = this.actions.problem();
    const { model, error } = this.live;
    if (problem) fill(this.body, saying('bad', 'The Docker host can’t run in this browser', problem, []));
    else if (state === 'starting') fill(this.body, skeleton(this.#progress));
    else if (state === 'stopped') fill(this.body, stopped(message ?? '', this.actions));
    else if (state === 'taken')
      fill(
        this.body,
        saying('warn', 'The Docker host is open in another tab', 'Two tabs writing to one disk would spoil it, so one tab at a time has it.', [h('button.btn.pri', { onclick: () => this.actions.start({ steal: true }) }, 'Use it here'), h('button.btn', { onclick: () => this.actions.start() }, 'Try again')]),
      );
    else if (state === 'lost') fill(this.body, saying('warn', 'Another tab has the Docker host now', 'Everything saved is there.', [h('button.btn.pri', { onclick: () => this.actions.start({ steal: true }) }, 'Use it here')]));
    else if (this.view === 'files') this.#drawFiles(model);
    else if (this.view === 'preview') {
      this.#put(this.preview.element);
      this.preview.update(model);
    }
    else if (!model) fill(this.body, error ? saying('bad', 'Docker does not answer', error.message, [h('button.btn', { onclick: () => this.live.refresh() }, 'Ask again')]) : skeleton(this.#progress));
    else if (this.view === 'host') {
      this.#put(this.hostView.element);
      this.hostView.draw(model, this.body.clientWidth);
    } else {
      const shown = `${this.view} ${this.#image}`;
      const old = this.#shown === shown ? this.body.querySelector('.sizes, .bld') : null;
      const [x, y] = [old?.scrollLeft ?? 0, old?.scrollTop ?? 0];
      fill(this.body, this.view === 'build' ? this.#build(model) : sizes(model, (command) => this.actions.type(command, { run: false })));
      this.body.querySelector('.sizes, .bld')?.scrollTo(x, y);
      this.#shown = shown;
    }
  }

  /** The host's own files in an editor, or what is in an image or container. @param {import('../model.js').Model | null} model */
  #drawFiles(model) {
    const there = this.#look === 'host' || (model && (this.#look === 'image' ? this.explorer.update(model) : this.comparison.update(model)));
    if (!there && model) this.#look = 'host';
    this.#put(this.#look === 'host' ? this.files.element : this.#look === 'image' ? this.explorer.element : this.comparison.element);
  }

  /** Where Files looks. @param {import('../model.js').Model} model */
  #places(model) {
    const place = this.explorer.place;
    const now = this.#look === 'host' ? 'host' : this.#look === 'compare' ? 'compare' : place?.container ? `c:${place.container}` : `i:${place?.image}`;
    const option = (/** @type {string} */ value, /** @type {string} */ text) => h('option', { value, selected: value === now }, text);
    return h(
      'label.s13.row',
      null,
      h('span.wide-only.t2', null, 'Look into'),
      h(
        'select.field.sm',
        {
          'aria-label': 'Look into',
          onchange: (/** @type {Event} */ e) => {
            const [kind, id] = [/** @type {HTMLSelectElement} */ (e.target).value.slice(0, 2), /** @type {HTMLSelectElement} */ (e.target).value.slice(2)];
            const container = model.containers.find((c) => kind === 'c:' && c.id === id);
            this.#look = kind === 'i:' || container ? 'image' : 'host';
            if (this.#look === 'image') this.explorer.show({ image: container?.imageId ?? id, layer: null, container: container?.id ?? null });
            this.draw();
          },
        },
        option('host', 'The Docker host'),
        now === 'compare' ? option('compare', 'Two images') : null,
        model.images.length ? h('optgroup', { label: 'Images' }, model.images.map((i) => option(`i:${i.id}`, imageName(i)))) : null,
        model.containers.length ? h('optgroup', { label: 'Containers' }, model.containers.filter((c) => !model.homeless.includes(c)).map((c) => option(`c:${c.id}`, c.name))) : null,
      ),
    );
  }

  /** @param {HTMLElement} element */
  #put(element) {
    if (this.body.firstElementChild !== element) fill(this.body, element);
  }

  /** @param {import('../model.js').Model} model */
  #build(model) {
    return buildView(model, {
      builds: this.builds,
      detail: (id) => this.live.detail(id),
      chosen: this.#image,
      choose: (id) => {
        this.#image = id;
        this.draw();
      },
      edit: () => {
        this.#look = 'host';
        this.show('files');
        void this.files.newFile();
      },
      select: (layer) => {
        this.show('host');
        this.hostView.open({ kind: 'layer', slab: { layers: [layer], size: layer.size, top: layer } });
      },
    });
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
      const layout = this.hostView.layout(model, this.body.clientWidth);
      if (this.hostView.folds(model) && layout !== 'list') {
        const choice = (/** @type {boolean} */ all, /** @type {string} */ name) => h('button', { 'aria-pressed': String(this.hostView.all === all), onclick: () => (this.hostView.all = all) }, name);
        tools.push(h('div.seg.show-choice', { role: 'group', 'aria-label': 'Show' }, choice(true, 'All'), choice(false, 'In use')));
      }
      const button = (/** @type {'stacks' | 'rows' | 'list'} */ which, /** @type {string} */ name) => h('button', { class: `${which}-choice`, 'aria-pressed': String(layout === which), onclick: () => settings.set({ layout: which }) }, name);
      tools.push(h('div.seg', { role: 'group', 'aria-label': 'Layout' }, button('stacks', 'Stacks'), button('rows', 'Rows'), button('list', 'List')));
      tools.push(h('button.btn.ghost.icon.sm', { 'aria-label': 'Find', title: 'Find  /', onclick: () => this.find() }, icon('search')));
    }
    if (this.view === 'files' && model && state === 'ready') tools.push(this.#places(model));
    // Replacing a focused button would lose the focus.
    const focused = this.tools.contains(document.activeElement) ? [...this.tools.querySelectorAll('button, select')].indexOf(/** @type {any} */ (document.activeElement)) : -1;
    const searching = this.tools.querySelector('input');
    if (searching && document.activeElement === searching) return;
    fill(this.tools, tools);
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (this.tools.querySelectorAll('button, select')[focused])?.focus();
  }

  /** Asks for a word and shows what has it. */
  find() {
    if (this.view !== 'host') this.show('host');
    const input = h('input.field.sm', { type: 'search', placeholder: 'Find an image, container, layer', 'aria-label': 'Find', value: this.hostView.found, spellcheck: 'false' });
    const done = () => {
      input.remove();
      this.draw();
    };
    input.addEventListener('input', () => this.hostView.find(input.value));
    input.addEventListener('keydown', (e) => {
      if (e.key === 'Escape') {
        this.hostView.find('');
        done();
        this.focus();
      } else if (e.key === 'Enter') {
        done();
        this.focus();
      }
      e.stopPropagation();
    });
    input.addEventListener('blur', () => !input.value && done());
    fill(this.tools, input);
    input.focus();
    input.select();
  }

  /** The host is what it was at another time: that is seen at once, without movement. */
  travelled() {
    this.hostView.animate = false;
    this.live.refresh();
    void this.files.refresh();
    setTimeout(() => (this.hostView.animate = true), 400);
  }

  /** Bytes of the engine and the root file system that came. @param {number} loaded @param {number} total */
  progress(loaded, total) {
    this.#progress = { loaded, total };
    progressed(this.body, this.#progress);
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
