// Files of images and containers: the layers, what each adds, changes and removes, and for a file all its versions.
import { fill, h, icon } from '../dom.js';
import { count, shortId, size } from '../units.js';
import { Strata, asText, difference, hex, nameOf } from './strata.js';

/** @import { Host } from '../host.js' */
/** @import { Container, Image, Layer, Model } from '../model.js' */
/** @import { Marked, Version } from './strata.js' */

/** Bytes of a file that are shown. */
const SHOWN = 256 * 1024;
const HEX = 4096;

/** @typedef {{ image: string, layer: string | null, container: string | null }} Place ids; `layer`: a key, null for all layers joined */

const OPS = /** @type {const} */ ({ added: ['a', '+'], changed: ['m', '~'], deleted: ['d', '−'] });

export class Explorer {
  /** @type {Place | null} */ #place = null;
  /** @type {Model | null} */ #model = null;
  /** Directories that are open. @type {Set<string>} */ #open = new Set(['/']);
  #file = '';
  #drawn = '';
  #turn = 0;

  /**
   * @param {Host} host
   * @param {{ line: (layer: Layer) => Promise<string> }} build where in a Dockerfile a layer's instruction is, when that is known
   */
  constructor(host, build) {
    this.strata = new Strata(host);
    this.build = build;
    this.layers = h('div.xlayers', { role: 'group', 'aria-label': 'Layers' });
    this.tree = h('div.tree.xtree', { role: 'tree', 'aria-label': 'Files' });
    this.head = h('div.row.subh', null);
    this.version = h('div.xprov', { role: 'region', 'aria-label': 'The file', tabindex: 0 });
    this.element = h('div.explore', null, this.layers, h('div.xfiles', null, this.head, this.tree), this.version);
    this.tree.addEventListener('click', (e) => this.#press(/** @type {HTMLElement} */ (e.target)));
    this.tree.addEventListener('keydown', (e) => this.#key(e));
  }

  /** @param {Place} place */
  show(place) {
    this.#place = place;
    this.#open = new Set(['/']);
    this.#file = '';
    this.#drawn = '';
  }

  get place() {
    return this.#place;
  }

  /** @param {Model} model @returns {boolean} whether what it shows is still there */
  update(model) {
    this.#model = model;
    const image = this.#image();
    if (!image) return false;
    const sign = JSON.stringify([this.#place, image.names, image.containers.map((c) => [c.name, c.sizeRw])]);
    if (sign !== this.#drawn) void this.#draw();
    this.#drawn = sign;
    return true;
  }

  #image() {
    return this.#model?.images.find((i) => i.id === this.#place?.image) ?? null;
  }

  /** @returns {Container | null} */
  #container() {
    return this.#model?.containers.find((c) => c.id === this.#place?.container) ?? null;
  }

  #layer() {
    return this.#image()?.layers.find((l) => l.key === this.#place?.layer) ?? null;
  }

  async #draw() {
    const [image, container, layer] = [this.#image(), this.#container(), this.#layer()];
    if (!image || !this.#place) return;
    const place = this.#place;
    const choose = (/** @type {string | null} */ key) => () => {
      this.show({ ...place, layer: key });
      if (this.#model) this.update(this.#model);
    };
    fill(
      this.layers,
      h('h2', null, container ? container.name : image.names[0]),
      h('button.xl.all', { 'aria-pressed': String(!layer), onclick: choose(null) }, h('span.cut', null, container ? 'All together, as it sees them' : 'All layers together'), ' ', h('span.sz.num', null, size(image.size))),
      container ? h('p.wl.xwl', null, h('span', null, 'its writable layer'), h('span.num', null, size(container.sizeRw))) : null,
      h(
        'ol',
        { reversed: true },
        image.layers.toReversed().map((l) => h('li', null, h('button.xl', { 'aria-pressed': String(l === layer), 'aria-label': `Layer ${image.layers.indexOf(l) + 1} of ${image.layers.length}: ${l.name}, ${size(l.size)}`, title: l.createdBy, onclick: choose(l.key) }, h('span.cut', null, l.name), ' ', h('span.sz.num', null, size(l.size))))),
      ),
    );
    fill(
      this.head,
      h('span.s13.cut', null, layer ? h('span', null, h('b', null, `Layer ${image.layers.indexOf(layer) + 1} of ${image.layers.length}`), ' ', h('code', { title: layer.diffId }, shortId(layer.diffId))) : h('b', null, container ? 'As the container sees it' : 'As a container would see it')),
      h('span.grow', null),
      layer ? h('span.s12.dim.nowrap', null, '+ added  ~ changed  − removed') : null,
    );
    if (layer) {
      const where = await this.build.line(layer);
      this.head.title = `${layer.createdBy}${where ? `, ${where}` : ''}`;
    }
    await this.#drawTree();
    if (!this.#file) this.#empty();
  }

  #empty() {
    const [image, layer] = [this.#image(), this.#layer()];
    fill(
      this.version,
      h('div.xhint', null, layer ? h('code.wrap', null, layer.createdBy) : null, h('p.t2', null, layer ? `This layer holds ${size(layer.size)}${layer.shared > 1 ? ` and is shared by ${layer.shared} images` : ''}. Choose a file to see what is in it, where it comes from and what it hides.` : `Choose a file to see which of the ${count(image?.layers.length ?? 0, 'layer')} it comes from.`)),
    );
  }

  /** @param {string} dir @returns {Promise<{ entries: Marked[], more: boolean }>} */
  async #entries(dir) {
    const [image, container, layer] = [this.#image(), this.#container(), this.#layer()];
    if (!image) return { entries: [], more: false };
    if (layer) return this.strata.changes(image, layer, dir);
    const { entries, more } = await this.strata.list(container ? { container: container.id } : { image: image.id }, dir);
    const own = (/** @type {import('../protocol.js').TreeEntry} */ e) => (container && e.layer === null && e.type !== 'dir' ? /** @type {const} */ ('changed') : null);
    return { more, entries: entries.map((e) => ({ ...e, path: dir === '/' ? `/${e.name}` : `${dir}/${e.name}`, op: own(e), beneath: 0 })) };
  }

  async #drawTree() {
    const turn = ++this.#turn;
    const focused = this.tree.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.path : undefined;
    /** @type {HTMLElement[]} */
    const rows = [];
    /** @param {string} dir @param {number} depth */
    const add = async (dir, depth) => {
      const { entries, more } = await this.#entries(dir);
      for (const e of entries.sort((a, b) => Number(b.type === 'dir') - Number(a.type === 'dir') || (a.name < b.name ? -1 : 1))) {
        const isDir = e.type === 'dir';
        const open = isDir && this.#open.has(e.path);
        const [kind, sign] = e.op ? OPS[e.op] : ['', ''];
        const cost = e.op === 'deleted' ? `removes ${e.beneath ? size(e.beneath) : 'it'}` : isDir ? '' : size(e.size);
        rows.push(
          h(
            'div.r',
            { role: 'treeitem', tabindex: -1, 'aria-level': depth + 1, 'aria-expanded': isDir ? String(open) : null, 'aria-selected': String(this.#file === e.path), 'aria-label': `${e.name}${e.target ? ` → ${e.target}` : ''}${cost ? `, ${cost}` : ''}${e.op ? `, ${e.op}` : ''}`, class: this.#file === e.path ? 'sel' : '', dataset: { path: e.path, dir: String(isDir) }, style: { '--d': depth } },
            isDir ? icon(open ? 'down' : 'right', 12) : h('span.tw', null),
            icon(isDir ? 'folder' : 'file', 15),
            h('span.cut', { class: e.op === 'deleted' ? 'struck' : '' }, e.name, e.target ? h('span.dim', null, ` → ${e.target}`) : null),
            sign ? h(`span.op.${kind}`, { title: e.op, 'aria-hidden': 'true' }, sign) : null,
            ' ',
            h('span.sz', null, cost),
          ),
        );
        if (open) await add(e.path, depth + 1);
      }
      if (more) rows.push(h('div.r.dim', { role: 'treeitem', 'aria-level': depth + 1, 'aria-selected': 'false', tabindex: -1, style: { '--d': depth } }, 'and more'));
    };
    try {
      await add('/', 0);
    } catch (error) {
      rows.push(h('div.r.wrap', { role: 'treeitem', 'aria-selected': 'false', tabindex: 0 }, `The files can't be read: ${/** @type {Error} */ (error).message}`));
    }
    if (turn !== this.#turn) return;
    if (!rows.length) rows.push(h('div.r.dim', { role: 'treeitem', 'aria-selected': 'false', tabindex: 0 }, 'No file is changed.'));
    fill(this.tree, rows);
    const at = rows.find((r) => r.dataset.path === (focused ?? this.#file)) ?? rows[0];
    at.tabIndex = 0;
    if (focused !== undefined) at.focus();
  }

  /** @param {HTMLElement} target */
  #press(target) {
    const row = target.closest('[data-path]');
    if (!(row instanceof HTMLElement)) return;
    const path = row.dataset.path ?? '';
    for (const r of /** @type {NodeListOf<HTMLElement>} */ (this.tree.querySelectorAll('[tabindex="0"]'))) r.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
    if (row.dataset.dir === 'true') {
      if (!this.#open.delete(path)) this.#open.add(path);
      void this.#drawTree();
    } else {
      this.#file = path;
      for (const r of /** @type {NodeListOf<HTMLElement>} */ (this.tree.querySelectorAll('.r'))) {
        r.classList.toggle('sel', r === row);
        r.setAttribute('aria-selected', String(r === row));
      }
      void this.#drawFile(path);
    }
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const rows = /** @type {HTMLElement[]} */ ([...this.tree.querySelectorAll('[role=treeitem]')]);
    const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0 || e.ctrlKey || e.metaKey || e.altKey) return;
    const row = rows[at];
    const open = row.getAttribute('aria-expanded');
    const level = Number(row.getAttribute('aria-level'));
    let to = /** @type {HTMLElement | undefined} */ (undefined);
    if (e.key === 'ArrowDown') to = rows[at + 1];
    else if (e.key === 'ArrowUp') to = rows[at - 1];
    else if (e.key === 'Home') to = rows[0];
    else if (e.key === 'End') to = rows[rows.length - 1];
    else if (e.key === 'Enter' || e.key === ' ') this.#press(row);
    else if (e.key === 'ArrowRight') open === 'false' ? this.#press(row) : (to = open ? rows[at + 1] : undefined);
    else if (e.key === 'ArrowLeft') open === 'true' ? this.#press(row) : (to = rows.slice(0, at).findLast((r) => Number(r.getAttribute('aria-level')) < level));
    else return;
    e.preventDefault();
    if (!to) return;
    row.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  /** A file: its versions, top first, what is in the one that is seen, and what that changed. @param {string} path */
  async #drawFile(path) {
    const [image, container, layer] = [this.#image(), this.#container(), this.#layer()];
    if (!image) return;
    const turn = ++this.#turn;
    const versions = await this.strata.versions(image, path, container?.id ?? null);
    const lines = await Promise.all(versions.map((v) => (v.layer ? this.build.line(v.layer) : '')));
    if (turn !== this.#turn) return;
    const seers = container ? [container.name] : image.containers.map((c) => c.name);
    const shown = versions.find((v) => v.layer && v.layer === layer && v.entry.type !== 'whiteout') ?? versions.find((v) => v.entry.type === 'file' && v.how !== 'removal');
    const content = h('div.xcontent', null);
    const hiddenBytes = versions.filter((v) => v.how === 'hidden').reduce((n, v) => n + v.entry.size, 0);
    /** @param {Version} v @param {number} i */
    const line = (v, i) => {
      const [title, rest] = v.how === 'removal' ? ['Removed here', ', but what is beneath is still stored'] : v.how === 'seen' ? [`Seen by ${seers.length ? seers.slice(0, 3).join(' and ') : 'every container of the image'}`, ''] : ['Hidden', ` but still stored, still ${size(v.entry.size)}`];
      const at = v.layer ? image.layers.indexOf(v.layer) + 1 : 0;
      return h(
        'li',
        { class: v.how === 'seen' ? 'seen' : '' },
        h('span.vb', { 'aria-hidden': 'true' }),
        h('div.grow', null, h('b', null, title), rest ? h('span.t2', null, rest) : null, h('div.t2', null, v.layer ? [`layer ${at}${lines[i] ? `, ${lines[i]}` : ''}, `, h('code.wrap', null, v.layer.createdBy)] : 'the container’s own writable layer')),
        v.entry.type === 'file' ? h('button.btn.ghost.sm', { 'aria-pressed': String(v === shown), onclick: () => void this.#content(content, image, path, v, versions) }, size(v.entry.size)) : h('span.s12.t2', null, v.entry.type === 'whiteout' ? 'removed' : v.entry.type),
      );
    };
    fill(
      this.version,
      h('div.row.subh', null, h('code.cut.b', { title: path }, path)),
      h('ol.vers', { 'aria-label': 'Versions of this file, top first' }, versions.map(line)),
      hiddenBytes ? h('p.s13.t2.xcost', null, `${size(hiddenBytes)} of it that nobody sees ${versions.filter((v) => v.how === 'hidden').length === 1 ? 'is' : 'are'} still on disk and in each pull: a layer is never changed by those above it.`) : null,
      content,
    );
    if (shown) await this.#content(content, image, path, shown, versions);
  }

  /** @param {HTMLElement} into @param {Image} image @param {string} path @param {Version} version @param {Version[]} versions */
  async #content(into, image, path, version, versions) {
    const read = (/** @type {Version} */ v) => this.strata.read(v.layer ? { layer: v.layer.diffId } : { container: this.#place?.container ?? '' }, path, SHOWN);
    try {
      const { data, size: whole } = await read(version);
      const text = asText(data, whole > data.length);
      const older = versions.slice(versions.indexOf(version) + 1).find((v) => v.entry.type === 'file');
      let changed = null;
      if (older && text !== null && whole <= SHOWN) {
        const before = await read(older);
        const old = asText(before.data, before.size > before.data.length);
        if (old !== null && before.size <= SHOWN) changed = difference(old, text);
      }
      const cut = text === null ? Math.min(HEX, data.length) : data.length;
      fill(
        into,
        changed?.some((l) => l.mark !== ' ') ? [h('h3', null, 'What changed'), h('pre.diff', { 'aria-label': 'What changed', tabindex: 0 }, changed.slice(0, 400).map((l) => h(`span.${l.mark === '+' ? 'add' : l.mark === '-' ? 'del' : 'same'}`, null, `${l.mark} ${l.line}\n`)))] : null,
        h('h3', null, text === null ? 'Bytes' : 'Text'),
        h('pre.xtext', { tabindex: 0, 'aria-label': `${nameOf(path)}, ${text === null ? 'bytes' : 'text'}` }, text === null ? hex(data.subarray(0, HEX)) : text || '(empty)'),
        cut < whole ? h('p.s12.dim', null, `The first ${size(cut)} of ${size(whole)}.`) : null,
      );
    } catch (error) {
      fill(into, h('p.s13.t2', null, `It can't be read: ${/** @type {Error} */ (error).message}`));
    }
  }
}
