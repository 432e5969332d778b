// The host's files: a tree, and an editor on the one that is open.
import { announce } from './announce.js';
import { ask, askLine } from './dialog.js';
import { download } from './download.js';
import { fill, h, icon } from './dom.js';
import { quote, size } from './units.js';

/** @import { Host } from './host.js' */
/** @import { Entry } from './protocol.js' */

/** Larger files are offered as a download instead. */
const EDIT_MAX = 2 * 1024 * 1024;
const HOME = '/root';
const STARTER = '# syntax=docker/dockerfile:1\nFROM busybox\nCOPY . /app\nWORKDIR /app\nCMD ["sh", "-c", "ls -l /app"]\n';

/** @param {string} dir @param {string} name */
export const join = (dir, name) => (dir === '/' ? `/${name}` : `${dir}/${name}`);
/** @param {string} path */
export const parentOf = (path) => path.slice(0, path.lastIndexOf('/')) || '/';
/** @param {string} path */
const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);

/** @param {string} value @returns {string} what is wrong with it as a path */
function pathProblem(value) {
  if (!value.startsWith('/')) return 'A path begins with /.';
  if (value.endsWith('/')) return 'The name is missing.';
  if (value.includes('\0') || value.split('/').some((p) => p.length > 255)) return 'That is not a file name.';
  return '';
}

export class Files {
  /** @type {{ path: string, mtime: number, size: number, dirty: boolean, editor: ReturnType<typeof import('./editor.js')['openEditor']> | null } | null} */ #open = null;
  /** @type {Set<string>} */ #expanded = new Set();
  /** @type {Map<string, Entry[]>} */ #listed = new Map();
  #root = HOME;
  #selected = '';
  /** The folder in which the tree and its buttons work. */
  get folder() {
    return this.#root;
  }

  /** @param {Host} host @param {{ type: (command: string) => void }} actions */
  constructor(host, actions) {
    this.host = host;
    this.actions = actions;
    this.tree = h('div.tree.ftree', { role: 'tree', 'aria-label': 'Files of the host', onkeydown: (/** @type {KeyboardEvent} */ e) => this.#key(e) });
    this.path = h('div.fpath.cut', null);
    this.editorHead = h('div.row.ehead', null);
    this.editorBody = h('div.ebody', null);
    this.element = h(
      'div.files',
      null,
      h(
        'div.ft',
        null,
        h(
          'div.row.fhead',
          null,
          h('button.btn.ghost.icon.sm', { 'aria-label': 'Parent folder', title: 'Parent folder', onclick: () => this.#go(parentOf(this.#root)) }, icon('up')),
          this.path,
          h('span.grow', null),
          h('button.btn.ghost.icon.sm', { 'aria-label': 'New file', title: 'New file', onclick: () => this.newFile() }, icon('fileplus')),
          h('button.btn.ghost.icon.sm', { 'aria-label': 'New folder', title: 'New folder', onclick: () => this.#newFolder() }, icon('folderplus')),
          h('button.btn.ghost.icon.sm', { 'aria-label': 'Bring files in', title: 'Bring files in from this device', onclick: () => this.#pick() }, icon('upload')),
          h('button.btn.ghost.icon.sm', { 'aria-label': 'Read the folder again', title: 'Read the folder again', onclick: () => void this.refresh() }, icon('restart')),
        ),
        this.tree,
      ),
      h('div.ed', null, this.editorHead, this.editorBody),
    );
    this.#drawEditor();
  }

  /** The host was started again. */
  restarted() {
    this.#listed.clear();
    void this.refresh();
  }

  /** Reads what is shown again. */
  async refresh() {
    const paths = [this.#root, ...[...this.#expanded].filter((p) => p.startsWith(this.#root === '/' ? '/' : `${this.#root}/`))];
    await Promise.all(paths.map((p) => this.#list(p)));
    this.#draw();
  }

  /** @param {string} path */
  async #list(path) {
    try {
      const entries = await this.host.call('list', path);
      entries.sort((a, b) => Number(b.type === 'dir') - Number(a.type === 'dir') || (a.name < b.name ? -1 : 1));
      this.#listed.set(path, entries);
    } catch (error) {
      this.#listed.delete(path);
      this.#expanded.delete(path);
      if (path === this.#root && path !== '/') {
        this.#root = '/';
        await this.#list('/');
      } else if (path === '/') fill(this.tree, h('p.blank.s13', { role: 'treeitem' }, this.host.state.state === 'ready' ? `The files can't be read: ${/** @type {Error} */ (error).message}` : 'The host is not running.'));
    }
  }

  /** @param {string} path */
  #go(path) {
    this.#root = path;
    this.#selected = '';
    void this.refresh();
  }

  #draw() {
    this.path.textContent = this.#root;
    this.path.title = this.#root;
    const focused = this.tree.contains(document.activeElement);
    /** @type {HTMLElement[]} */
    const rows = [];
    /** @param {string} dir @param {number} depth */
    const walk = (dir, depth) => {
      if (depth > 64) return;
      const entries = this.#listed.get(dir) ?? [];
      for (const e of entries) {
        const path = join(dir, e.name);
        const open = this.#expanded.has(path);
        rows.push(
          h(
            'div.r',
            {
              role: 'treeitem',
              class: path === this.#selected ? 'sel' : '',
              tabindex: -1,
              'aria-level': depth + 1,
              'aria-selected': String(path === this.#selected),
              'aria-expanded': e.type === 'dir' ? String(open) : null,
              style: { '--d': depth },
              dataset: { path, type: e.type },
              onclick: () => this.#press(path, e.type),
            },
            e.type === 'dir' ? icon(open ? 'down' : 'right', 12) : h('span.tw', null),
            icon(e.type === 'dir' ? 'folder' : 'file', 14),
            h('span.cut', null, e.name, e.type === 'symlink' ? ' →' : ''),
            h('span.sz', null, e.type === 'file' ? size(e.size) : ''),
          ),
        );
        if (open) walk(path, depth + 1);
      }
    };
    walk(this.#root, 0);
    if (!rows.length) rows.push(h('p.blank.s13', { role: 'treeitem', tabindex: -1 }, 'An empty folder. Make a file, or drop files here.'));
    fill(this.tree, rows);
    const current = rows.find((r) => r.dataset.path === this.#selected) ?? rows[0];
    current.tabIndex = 0;
    if (focused) current.focus();
  }

  /** @param {string} path @param {Entry['type']} type */
  #press(path, type) {
    this.#selected = path;
    if (type === 'dir') {
      if (this.#expanded.delete(path)) this.#draw();
      else {
        this.#expanded.add(path);
        void this.#list(path).then(() => this.#draw());
      }
    } else {
      this.#draw();
      void this.open(path);
    }
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const rows = /** @type {HTMLElement[]} */ ([...this.tree.querySelectorAll('.r')]);
    const at = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const row = rows[at];
    if (!row) return;
    const { path = '', type } = row.dataset;
    let to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
    if (e.key === 'Enter' || e.key === ' ' || (e.key === 'ArrowRight' && type === 'dir' && !this.#expanded.has(path)) || (e.key === 'ArrowLeft' && this.#expanded.has(path))) {
      e.preventDefault();
      return this.#press(path, /** @type {Entry['type']} */ (type));
    }
    if (e.key === 'ArrowLeft') to = rows.findIndex((r) => r.dataset.path === parentOf(path));
    if (e.key === 'Delete') return void this.remove(path, type === 'dir');
    if (to === undefined || !rows[to]) return;
    e.preventDefault();
    row.tabIndex = -1;
    rows[to].tabIndex = 0;
    rows[to].focus();
    this.#selected = rows[to].dataset.path ?? '';
  }

  /** Where new things go: the selected folder, or the selected file's. */
  #here() {
    const row = /** @type {HTMLElement | undefined} */ ([...this.tree.querySelectorAll('.r.sel')][0]);
    if (!row) return this.#root;
    return row.dataset.type === 'dir' ? (row.dataset.path ?? this.#root) : parentOf(row.dataset.path ?? this.#root);
  }

  /** @param {string} [name] */
  async newFile(name = 'Dockerfile') {
    const path = await askLine({ title: 'New file', label: 'Path', value: join(this.#here(), name), yes: 'Create', check: pathProblem });
    if (!path) return;
    try {
      const dir = parentOf(path);
      await this.#makeDirs(dir);
      const there = (await this.host.call('list', dir)).some((e) => e.name === nameOf(path));
      if (!there) await this.host.call('writeFile', path, new TextEncoder().encode(nameOf(path) === 'Dockerfile' ? STARTER : ''));
      this.#reveal(path);
      await this.refresh();
      await this.open(path);
    } catch (error) {
      this.#say(error);
    }
  }

  /** @param {string} dir */
  async #makeDirs(dir) {
    let at = '';
    for (const part of dir.split('/').filter(Boolean)) {
      const entries = await this.host.call('list', at || '/');
      if (!entries.some((e) => e.name === part)) await this.host.call('makeDir', `${at}/${part}`);
      at += `/${part}`;
    }
  }

  async #newFolder() {
    const path = await askLine({ title: 'New folder', label: 'Path', value: join(this.#here(), 'app'), yes: 'Create', check: pathProblem });
    if (!path) return;
    try {
      await this.#makeDirs(path);
      this.#expanded.add(path);
      this.#reveal(path);
      await this.refresh();
    } catch (error) {
      this.#say(error);
    }
  }

  /** Opens the folders above a path. @param {string} path */
  #reveal(path) {
    this.#selected = path;
    if (!path.startsWith(this.#root === '/' ? '/' : `${this.#root}/`)) this.#root = '/';
    for (let dir = parentOf(path); dir !== this.#root && dir !== '/'; dir = parentOf(dir)) this.#expanded.add(dir);
  }

  #pick() {
    const input = h('input', { type: 'file', multiple: true });
    input.addEventListener('change', () => void this.bringIn([...(input.files ?? [])]));
    input.click();
  }

  /**
   * Copies files of this device into the host. An image archive is then loaded, in the terminal.
   * @param {File[]} files
   */
  async bringIn(files) {
    const dir = this.#here();
    for (const file of files) {
      const path = join(dir, file.name.replaceAll(/[/\0]/g, '_').slice(0, 255) || 'file');
      try {
        announce(`Copying ${file.name}.`);
        const data = new Uint8Array(await file.arrayBuffer());
        const kind = await archiveKind(data);
        await this.host.call('writeFile', path, data);
        announce(`Copied ${file.name} to ${path}.`);
        if (kind === 'image') this.actions.type(`docker load -i ${quote(path)}`);
        if (kind === 'root') this.actions.type(`docker import ${quote(path)} ${imageName(file.name)}`);
      } catch (error) {
        this.#say(error);
        break;
      }
    }
    await this.refresh();
  }

  /** @param {string} path @param {boolean} dir */
  async remove(path, dir) {
    if (!(await ask({ title: `Delete ${path}?`, body: dir ? ['A folder is deleted only when it is empty.'] : [], yes: 'Delete', danger: true }))) return;
    try {
      await this.host.call('remove', path);
      if (this.#open?.path === path) this.#close();
      this.#selected = '';
      announce(`Deleted ${path}.`);
    } catch (error) {
      this.#say(error);
    }
    await this.refresh();
  }

  /** Says no to losing what was typed. */
  async #mayLeave() {
    return !this.#open?.dirty || (await ask({ title: `${nameOf(this.#open.path)} is not saved`, body: ['What you changed in it would be lost.'], yes: 'Leave it unsaved', no: 'Stay', danger: true }));
  }

  #close() {
    this.#open?.editor?.destroy();
    this.#open = null;
    this.#drawEditor();
  }

  /** @param {string} path */
  async #stat(path) {
    return (await this.host.call('list', parentOf(path))).find((e) => e.name === nameOf(path));
  }

  /** @param {string} path */
  async open(path) {
    if (this.#open?.path === path || !(await this.#mayLeave())) return;
    try {
      const entry = await this.#stat(path);
      if (!entry) throw new Error(`${path}: No such file or directory`);
      if (entry.type === 'dir') return;
      this.#open?.editor?.destroy();
      this.#open = { path, mtime: entry.mtime, size: entry.size, dirty: false, editor: null };
      this.#drawEditor();
      if (entry.size > EDIT_MAX) return this.#instead(`${size(entry.size)} is more than the editor takes (${size(EDIT_MAX)}).`);
      const [{ openEditor }, data] = await Promise.all([import('./editor.js'), this.host.call('readFile', path)]);
      if (this.#open?.path !== path) return;
      let text;
      try {
        text = new TextDecoder('utf-8', { fatal: true }).decode(data);
      } catch {
        text = null;
      }
      if (text === null || text.includes('\0')) return this.#instead('It is not a text file.');
      this.editorBody.replaceChildren();
      const open = this.#open;
      open.editor = openEditor({
        parent: this.editorBody,
        path,
        text,
        changed: () => {
          if (open.dirty) return;
          open.dirty = true;
          this.#drawHead();
        },
        save: () => void this.save(),
      });
      open.editor.focus();
    } catch (error) {
      this.#close();
      this.#say(error);
    }
  }

  /** @param {string} why */
  #instead(why) {
    fill(this.editorBody, h('div.blank', null, h('p', null, why), h('button.btn', { onclick: () => void this.#download() }, icon('download', 14), 'Save it on this device')));
  }

  async #download() {
    const open = this.#open;
    if (!open) return;
    try {
      download(nameOf(open.path), [/** @type {BlobPart} */ (await this.host.call('readFile', open.path))]);
    } catch (error) {
      this.#say(error);
    }
  }

  async save() {
    const open = this.#open;
    if (!open?.editor) return;
    try {
      const now = await this.#stat(open.path);
      if (now && (now.mtime !== open.mtime || now.size !== open.size)) {
        const over = await ask({ title: `${nameOf(open.path)} changed meanwhile`, body: ['A program on the host wrote to it since you opened it.'], yes: 'Save mine over it', danger: true });
        if (!over) return;
      }
      await this.host.call('writeFile', open.path, new TextEncoder().encode(open.editor.text()));
      const saved = await this.#stat(open.path);
      open.mtime = saved?.mtime ?? 0;
      open.size = saved?.size ?? 0;
      open.dirty = false;
      this.#drawHead();
      announce(`Saved ${open.path}.`);
      await this.refresh();
    } catch (error) {
      this.#say(error);
    }
  }

  #drawEditor() {
    this.#drawHead();
    if (!this.#open) {
      fill(
        this.editorBody,
        h('div.blank', null, h('h2', null, 'The host’s files'), h('p', null, 'Open one on the left, or begin with a Dockerfile. What you save here, the shell sees at once.'), h('button.btn', { onclick: () => void this.newFile() }, icon('fileplus', 14), 'New Dockerfile')),
      );
    } else fill(this.editorBody, h('p.blank.dim.s13', { 'aria-busy': 'true' }, 'Opening…'));
  }

  #drawHead() {
    const open = this.#open;
    this.editorHead.hidden = !open;
    if (!open) return;
    const dir = parentOf(open.path);
    const tag = (nameOf(dir) || 'app').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '') || 'app';
    const dockerfile = /^(Dockerfile|Containerfile)/.test(nameOf(open.path));
    fill(
      this.editorHead,
      h('b.cut.mono.s13', { title: open.path }, nameOf(open.path)),
      h('span.s12.t2', null, open.dirty ? 'not saved' : ''),
      h('span.grow', null),
      dockerfile
        ? h('button.btn.sm.cmd', { title: 'Saves, then types this into the terminal', onclick: async () => (open.dirty && (await this.save()), this.actions.type(`docker build -t ${tag} ${nameOf(open.path) === 'Dockerfile' ? '' : `-f ${quote(open.path)} `}${quote(dir)}`)) }, h('code', null, `docker build -t ${tag} …`))
        : null,
      h('button.btn.sm', { disabled: !open.dirty, onclick: () => void this.save(), 'aria-keyshortcuts': 'Control+S' }, icon('save', 14), 'Save'),
      h('button.btn.ghost.icon.sm', { 'aria-label': 'Save it on this device', title: 'Save it on this device', onclick: () => void this.#download() }, icon('download', 14)),
      h('button.btn.ghost.icon.sm', { 'aria-label': 'Delete this file', title: 'Delete this file', onclick: () => void this.remove(open.path, false) }, icon('trash', 14)),
      h('button.btn.ghost.icon.sm', { 'aria-label': 'Close this file', title: 'Close this file', onclick: async () => (await this.#mayLeave()) && this.#close() }, icon('close', 14)),
    );
  }

  get dirty() {
    return !!this.#open?.dirty;
  }

  /** @param {unknown} error */
  #say(error) {
    const message = error instanceof Error ? error.message : String(error);
    announce(message, 'assertive');
    this.element.querySelector('.fsay')?.remove();
    this.element.prepend(h('div.banner.bad.fsay', null, icon('warn'), h('span.grow', null, message), h('button.btn.ghost.icon.sm', { 'aria-label': 'Close', onclick: (/** @type {Event} */ e) => /** @type {Element} */ (e.currentTarget).parentElement?.remove() }, icon('close', 14))));
  }
}

/** A name for the image that a file becomes. @param {string} file */
const imageName = (file) => file.toLowerCase().replace(/(\.tar)?(\.t?gz)?$/, '').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'imported';

/** What is at the top of a root file system. */
const TOP = /^(bin|dev|etc|lib|proc|root|sbin|sys|tmp|usr|var)\/?$/;

/**
 * What archive bytes are, told by the names in the tar: an image, as `docker save` writes it, a root file system, as
 * `docker export` does, or neither.
 * @param {Uint8Array} data @returns {Promise<'image' | 'root' | null>}
 */
export async function archiveKind(data) {
  let tar = data;
  if (data[0] === 0x1f && data[1] === 0x8b) {
    if (!('DecompressionStream' in globalThis)) return null;
    const reader = new Blob([/** @type {BlobPart} */ (data)]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
    try {
      tar = (await reader.read()).value ?? data;
    } catch {
      return null;
    } finally {
      reader.cancel().catch(() => {});
    }
  }
  const latin = new TextDecoder('latin1');
  const top = new Set();
  for (let at = 0, n = 0; at + 512 <= tar.length && n < 10_000; n++) {
    const header = tar.subarray(at, at + 512);
    if (latin.decode(header.subarray(257, 262)) !== 'ustar') break;
    const name = latin.decode(header.subarray(0, 100)).replace(/\0.*$/s, '').replace(/^\.\//, '');
    if (/^(manifest\.json|oci-layout|blobs\/sha256\/.*|[0-9a-f]{64}\/(layer\.tar|json|VERSION))$/.test(name)) return 'image';
    const found = TOP.exec(name);
    if (found) top.add(found[1]);
    const size = parseInt(latin.decode(header.subarray(124, 136)).trim(), 8);
    if (!Number.isFinite(size) || size < 0) break;
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return top.size >= 3 ? 'root' : null;
}
