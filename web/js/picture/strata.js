// Where a file comes from: the layers of an image as a pile of trees, looked into a directory at a time.

/** @import { Host } from '../host.js' */
/** @import { Image, Layer } from '../model.js' */
/** @import { TreeEntry, TreeOf } from '../protocol.js' */

/** Entries of a directory that are shown. */
export const MOST = 2000;

/**
 * @typedef {object} Version of a path, in one place of the pile
 * @property {Layer | null} layer null for a container's own
 * @property {TreeEntry} entry
 * @property {'seen' | 'hidden' | 'removal'} how `removal`: a whiteout, it makes what is beneath invisible
 *
 * @typedef {TreeEntry & { path: string, op: 'added' | 'changed' | 'deleted' | null, beneath: number }} Marked
 *   `op`: what its layer does to it; `beneath`: bytes of the version it hides
 */

/** @param {string} path */
export const parentOf = (path) => path.slice(0, path.lastIndexOf('/')) || '/';
/** @param {string} path */
export const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);
/** @param {string} dir @param {string} name */
export const join = (dir, name) => `${dir === '/' ? '' : dir}/${name}`;

/** Asks once for what can't change: a layer never does. */
export class Strata {
  /** @type {Map<string, Promise<{ entries: TreeEntry[], more: boolean }>>} */ #known = new Map();

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
  }

  /** A directory; nothing where there is none. @param {TreeOf} of @param {string} path */
  list(of, path) {
    const empty = { entries: [], more: false };
    const ask = () =>
      this.host.call('treeList', of, path, MOST).catch((error) => {
        if (/no such file|not a directory/i.test(error.message)) return empty;
        throw error;
      });
    if (!('layer' in of)) return ask();
    const key = `${of.layer} ${path}`;
    let answer = this.#known.get(key);
    if (!answer) {
      if (this.#known.size > 4000) this.#known.clear();
      answer = ask();
      answer.catch(() => this.#known.delete(key));
      this.#known.set(key, answer);
    }
    return answer;
  }

  /** @param {TreeOf} of @param {string} path @param {number} max bytes */
  read(of, path, max) {
    return this.host.call('treeRead', of, path, max);
  }

  /** One entry of a layer. @param {Layer} layer @param {string} path */
  async entry(layer, path) {
    const { entries } = await this.list({ layer: layer.diffId }, parentOf(path));
    return entries.find((e) => e.name === nameOf(path)) ?? null;
  }

  /** Whether a layer hides everything that layers beneath have at a path or under one of its directories. @param {Layer} layer @param {string} path */
  async #hides(layer, path) {
    for (let at = parentOf(path); at !== '/'; at = parentOf(at)) {
      const dir = await this.entry(layer, at);
      if (dir && (dir.opaque || dir.type !== 'dir')) return true;
    }
    return false;
  }

  /**
   * A directory of one layer, each entry with what the layer does to it.
   * @param {Image} image @param {Layer} layer of it @param {string} dir
   * @returns {Promise<{ entries: Marked[], more: boolean }>}
   */
  async changes(image, layer, dir) {
    const { entries, more } = await this.list({ layer: layer.diffId }, dir);
    const beneath = image.layers.slice(0, image.layers.indexOf(layer)).reverse();
    const below = await this.#joined(beneath, dir);
    return {
      more,
      entries: entries.map((e) => {
        const old = below.get(e.name);
        const op = e.type === 'whiteout' ? 'deleted' : !old ? 'added' : e.type === 'dir' && old.type === 'dir' ? (e.opaque ? 'changed' : null) : 'changed';
        return { ...e, path: join(dir, e.name), op, beneath: old && old.type === 'file' ? old.size : 0 };
      }),
    };
  }

  /** A directory as layers make it together. @param {Layer[]} layers top first @param {string} dir */
  async #joined(layers, dir) {
    /** @type {Map<string, TreeEntry>} */
    const seen = new Map();
    /** @type {Set<string>} */
    const gone = new Set();
    for (const layer of layers) {
      const { entries } = await this.list({ layer: layer.diffId }, dir);
      for (const e of entries) {
        if (seen.has(e.name) || gone.has(e.name)) continue;
        if (e.type === 'whiteout') gone.add(e.name);
        else seen.set(e.name, e);
      }
      const here = dir === '/' ? null : await this.entry(layer, dir);
      if (here && (here.opaque || here.type !== 'dir')) break;
      if (dir !== '/' && (await this.#hides(layer, dir))) break;
    }
    return seen;
  }

  /**
   * All versions of a path, top first.
   * @param {Image} image @param {string} path @param {string | null} container its id, when its own changes count, too
   * @returns {Promise<Version[]>}
   */
  async versions(image, path, container = null) {
    /** @type {Version[]} */
    const found = [];
    let hidden = false;
    if (container) {
      const { entries } = await this.list({ container }, parentOf(path));
      const own = entries.find((e) => e.name === nameOf(path));
      if (own && own.layer === null) {
        found.push({ layer: null, entry: own, how: 'seen' });
        hidden = true;
      } else if (!own) hidden = true; // the container removed it
    }
    for (const layer of image.layers.toReversed()) {
      const entry = await this.entry(layer, path);
      if (entry) {
        found.push({ layer, entry, how: entry.type === 'whiteout' ? 'removal' : hidden ? 'hidden' : 'seen' });
        if (entry.type === 'whiteout' || entry.type !== 'dir' || entry.opaque) hidden = true;
      }
      if (!hidden && (await this.#hides(layer, path))) hidden = true;
    }
    return found;
  }

  /**
   * Every path that layers touch, at most so many.
   * @param {Layer[]} layers @param {number} max
   * @returns {Promise<{ paths: Set<string>, more: boolean }>}
   */
  async touched(layers, max) {
    /** @type {Set<string>} */
    const paths = new Set();
    for (const layer of layers) {
      const dirs = ['/'];
      for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
        const { entries, more } = await this.list({ layer: layer.diffId }, dir);
        for (const e of entries) {
          const path = join(dir, e.name);
          if (e.type === 'dir') dirs.push(path);
          if (e.type !== 'dir' || e.opaque) paths.add(path);
        }
        if (more || paths.size > max) return { paths, more: true };
      }
    }
    return { paths, more: false };
  }
}

/** Text or bytes: what has a zero byte or is not UTF-8 is bytes. @param {Uint8Array} data @param {boolean} cut whether there is more */
export function asText(data, cut) {
  if (data.includes(0)) return null;
  // The last character may be cut in its middle.
  for (const shorter of cut ? [0, 1, 2, 3] : [0]) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(0, data.length - shorter));
    } catch {
      // Perhaps a byte less is whole.
    }
  }
  return null;
}

/** As `hexdump -C` shows it. @param {Uint8Array} data */
export function hex(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const bytes = row.map((b) => b.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(8, '0')}  ${bytes.slice(0, 8).join(' ').padEnd(23)}  ${bytes.slice(8).join(' ').padEnd(23)}  |${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '.')).join('')}|`);
  }
  return lines.join('\n');
}

/**
 * Lines that went and came, with one line around.
 * @param {string} before @param {string} after
 * @returns {{ mark: '-' | '+' | ' ', line: string }[] | null} null when the texts are too long to compare
 */
export function difference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  if (a.length * b.length > 1_000_000) return null;
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  /** @type {{ mark: '-' | '+' | ' ', line: string }[]} */
  const all = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) all.push({ mark: ' ', line: a[i++] }), j++;
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) all.push({ mark: '-', line: a[i++] });
    else all.push({ mark: '+', line: b[j++] });
  }
  return all.filter((l, n) => l.mark !== ' ' || all[n - 1]?.mark === '-' || all[n - 1]?.mark === '+' || (all[n + 1] && all[n + 1].mark !== ' '));
}
