// Two images side by side: the layers they share and those they don't, their settings, their files.
import { fill, h } from '../dom.js';
import { count, size } from '../units.js';
import { Strata, nameOf, parentOf } from './strata.js';

/** @import { Host } from '../host.js' */
/** @import { Image, Layer, Model } from '../model.js' */

/** Paths that are compared. */
const MOST = 5000;
/** Of them are listed. */
const LISTED = 300;
/** Files up to so many bytes are compared by what is in them. */
const READ = 1 << 20;

/** @param {Image} i */
export const imageName = (i) => (i.names[0] === '<none>' ? i.id.slice(7, 19) : i.names[0]);

/** How many layers two images share, from the base. @param {Image} a @param {Image} b */
export function common(a, b) {
  let n = 0;
  while (n < a.layers.length && a.layers[n] === b.layers[n]) n++;
  return n;
}

/** The settings of an image, as text by name. @param {any} config of /images/{name}/json @returns {Map<string, string>} */
function settings(config) {
  const c = config?.Config ?? {};
  const pairs = [
    ['Command', c.Cmd?.join(' ')],
    ['Entrypoint', c.Entrypoint?.join(' ')],
    ['Working directory', c.WorkingDir],
    ['User', c.User],
    ['Ports', Object.keys(c.ExposedPorts ?? {}).join(', ')],
    ['Volumes', Object.keys(c.Volumes ?? {}).join(', ')],
    ...(c.Env ?? []).map((/** @type {string} */ e) => [`ENV ${e.split('=')[0]}`, e.slice(e.indexOf('=') + 1)]),
    ...Object.entries(c.Labels ?? {}).map(([k, v]) => [`LABEL ${k}`, v]),
  ];
  return new Map(pairs.filter(([, v]) => v));
}

export class Compare {
  #pair = /** @type {[string, string] | null} */ (null);
  #drawn = '';

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.strata = new Strata(host);
    this.element = h('div.compare', { tabindex: 0, role: 'region', 'aria-label': 'Two images compared' });
  }

  /** @param {string} a @param {string} b ids */
  show(a, b) {
    this.#pair = [a, b];
    this.#drawn = '';
  }

  /** @param {Model} model @returns {boolean} whether both are still there */
  update(model) {
    const [a, b] = (this.#pair ?? []).map((id) => model.images.find((i) => i.id === id));
    if (!a || !b) return false;
    const sign = `${a.id} ${b.id} ${a.names} ${b.names}`;
    if (sign !== this.#drawn) void this.#draw(a, b);
    this.#drawn = sign;
    return true;
  }

  /** @param {Image} a @param {Image} b */
  async #draw(a, b) {
    const shared = common(a, b);
    const [ownA, ownB] = [a.layers.slice(shared), b.layers.slice(shared)];
    const bytes = (/** @type {Layer[]} */ ls) => ls.reduce((n, l) => n + l.size, 0);
    const pile = (/** @type {string} */ name, /** @type {Layer[]} */ layers) => h('div.grow', null, h('h3.cut', { title: name }, `Only in ${name}, ${size(bytes(layers))}`), layers.length ? h('ol.pile', { reversed: true }, layers.toReversed().map((l) => h('li.slab', null, h('code.cut', { title: l.createdBy }, l.createdBy), h('span.sz', null, size(l.size))))) : h('p.dim.s13', null, 'No layer of its own.'));
    const config = h('div', null, h('p.dim.s13', null, 'Reading the settings'));
    const files = h('div', null, h('p.dim.s13', null, 'Reading the files'));
    fill(
      this.element,
      h('h2', null, `${imageName(a)} and ${imageName(b)}`),
      h('p.t2', null, shared ? `${count(shared, 'layer')} in common, ${size(bytes(a.layers.slice(0, shared)))}, stored once.` : 'They share no layer.', a.layers.length === shared && b.layers.length === shared ? ' Their files are the same.' : ''),
      h('div.row.piles', null, pile(imageName(a), ownA), pile(imageName(b), ownB)),
      h('h3', null, 'Settings'),
      config,
      h('h3', null, 'Files'),
      files,
    );
    const [ca, cb] = await Promise.all([a, b].map((i) => this.host.json(`/images/${i.id}/json`).then(settings, () => new Map())));
    const names = [...new Set([...ca.keys(), ...cb.keys()])].filter((k) => ca.get(k) !== cb.get(k));
    const table = (/** @type {any[]} */ rows, /** @type {string} */ what) => h('table.cmp', null, h('thead', null, h('tr', null, h('th', { scope: 'col' }, what), h('th', { scope: 'col' }, imageName(a)), h('th', { scope: 'col' }, imageName(b)))), h('tbody', null, rows));
    fill(config, names.length ? table(names.map((k) => h('tr', null, h('th', { scope: 'row' }, k), h('td', null, h('code.wrap', null, ca.get(k) ?? '–')), h('td', null, h('code.wrap', null, cb.get(k) ?? '–')))), 'Setting') : h('p.dim.s13', null, 'The same.'));
    try {
      const { rows, more } = await this.#files(a, b, ownA, ownB);
      fill(
        files,
        rows.length ? table(rows.slice(0, LISTED).map(({ path, left, right }) => h('tr', null, h('th', { scope: 'row' }, h('code.wrap', null, path)), h('td.num', null, left), h('td.num', null, right))), 'Path') : h('p.dim.s13', null, 'The same.'),
        rows.length > LISTED || more ? h('p.dim.s13', null, `and ${more ? 'more' : rows.length - LISTED + ' more'}`) : null,
      );
    } catch (error) {
      fill(files, h('p.s13.t2', null, `The files can't be read: ${/** @type {Error} */ (error).message}`));
    }
  }

  /**
   * Only paths that their own layers touch can differ.
   * @param {Image} a @param {Image} b @param {Layer[]} ownA @param {Layer[]} ownB
   */
  async #files(a, b, ownA, ownB) {
    const [ta, tb] = [await this.strata.touched(ownA, MOST), await this.strata.touched(ownB, MOST)];
    const rows = [];
    for (const path of [...new Set([...ta.paths, ...tb.paths])].sort()) {
      const [x, y] = await Promise.all([a, b].map(async (i) => (await this.strata.list({ image: i.id }, parentOf(path))).entries.find((e) => e.name === nameOf(path))));
      if (!x && !y) continue;
      const show = (/** @type {typeof x} */ e) => (!e ? 'not there' : e.type === 'file' ? size(e.size) : e.type === 'symlink' ? `→ ${e.target}` : e.type);
      if (x && y) {
        if (x.layer === y.layer) continue;
        const alike = x.type === y.type && x.mode === y.mode && x.size === y.size && x.target === y.target;
        if (alike && (x.type !== 'file' || (x.size <= READ && (await this.#same(a, b, path))))) continue;
      }
      rows.push({ path, left: show(x), right: show(y) });
      if (rows.length > LISTED) return { rows, more: true };
    }
    return { rows, more: ta.more || tb.more };
  }

  /** @param {Image} a @param {Image} b @param {string} path */
  async #same(a, b, path) {
    const [x, y] = await Promise.all([a, b].map((i) => this.strata.read({ image: i.id }, path, READ)));
    return x.data.length === y.data.length && x.data.every((byte, i) => byte === y.data[i]);
  }
}
