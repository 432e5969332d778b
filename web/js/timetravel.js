// Time travel in the worker: the whole machine as it was after each command, and the way between.
//
// The engine is one WebAssembly instance: all it knows is its memory, its table of references to JavaScript's objects,
// and its disk (IndexedDB). A step keeps what of these is different from the step before it, and every edge of the tree
// of steps holds the content of the side where one is *not*: walking over an edge swaps. So going back and forth are the
// same operation, a new command after going back makes a branch, and a running container runs on where it was.
//
// A step is taken and gone to only while the machine is quiet: nothing to run, and no promise of JavaScript's that the
// engine waits for. Such a promise would be answered into a memory that never asked.
import { PageStore } from './store.js';

/** Memory is compared and kept in pieces of so many bytes. */
const PIECE = 4096;
const WORDS = PIECE / 4;
/** Steps are forgotten when they hold more than this together, in bytes. */
const LIMIT = (/** @type {any} */ (navigator).deviceMemory ?? 8) > 2 ? 256e6 : 64e6;
/** How long to wait for a quiet machine, in ms. */
const PATIENCE = 5000;
/** References that the engine may hold at once; its table can't grow after it went back. */
const REFERENCES = 4096;

/** Functions of the engine that JavaScript may call at any time: its executor's own (wasm-bindgen-futures). */
const FOR_GOOD = 1;

/** Where store.js tells what a commit replaced. */
const JOURNAL = Symbol.for('bottleship.journal');

/** @typedef {[bucket: string, key: string, value: Uint8Array | null]} StoreOp */

/**
 * @typedef {object} Edge between a step and its parent, with the content of the side where one is not
 * @property {Map<number, Uint8Array>} pieces of memory, by number
 * @property {StoreOp[]} disk in the order in which they are to be applied
 * @property {number} bytes
 *
 * @typedef {object} Step
 * @property {number} id
 * @property {Step | null} parent
 * @property {Edge | null} edge null for the first
 * @property {number} pages memory's size in pages of 64 KiB
 * @property {unknown[]} references the table's content
 * @property {[number, number][]} terminals the page's number and the engine's
 */

export class TimeTravel {
  /** @type {Map<number, Step>} */ #steps = new Map();
  /** @type {Step | null} the step whose memory `#kept` has */ #at = null;
  #next = 1;
  /** @type {Uint8Array<ArrayBuffer>} the memory as it was at `#at` */ #kept = new Uint8Array(0);
  /** What was committed since `#at`, newest first, to take it back. @type {StoreOp[]} */ #since = [];
  #wasm;
  #machine;

  /**
   * @param {{ memory: WebAssembly.Memory, __wbindgen_externrefs: WebAssembly.Table, __externref_table_alloc: () => number, __externref_table_dealloc: (index: number) => void }} wasm the engine's exports
   * @param {{ store: string, idle: () => boolean, save: () => Promise<void>, terminals: () => [number, number][] }} machine
   *   `idle`: nothing is to be run now
   */
  constructor(wasm, machine) {
    this.#wasm = wasm;
    this.#machine = machine;
    const taken = Array.from({ length: REFERENCES }, () => wasm.__externref_table_alloc());
    for (const index of taken.reverse()) wasm.__externref_table_dealloc(index);
    if (machine.store) /** @type {any} */ (globalThis)[JOURNAL] = (/** @type {StoreOp[]} */ replaced) => this.#since.unshift(...replaced);
  }

  /** How many of the engine's functions JavaScript may call: two for each promise that it waits for, and one for good. */
  #closures() {
    const table = this.#wasm.__wbindgen_externrefs;
    let count = 0;
    for (let i = 0; i < table.length; i++) if (table.get(i)?._wbg_cb_unref) count++;
    return count;
  }

  /** Until nothing is to be run and nothing is waited for. */
  async #quiet() {
    const end = performance.now() + PATIENCE;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 4));
      if (this.#machine.idle() && this.#closures() === FOR_GOOD) return;
      if (performance.now() > end) throw new Error('something is still going on in the host: wait until it is done, or stop it');
    }
  }

  #references() {
    const table = this.#wasm.__wbindgen_externrefs;
    return Array.from({ length: table.length }, (_, i) => table.get(i));
  }

  /**
   * Keeps the machine as it is now, as a step after the one where it is.
   * @returns {Promise<{ id: number, parent: number | null, alive: number[], bytes: number }>} `alive`: all steps that
   *   can be gone to; `bytes`: what they hold together
   */
  async take() {
    await this.#machine.save();
    await this.#quiet();
    const live = new Uint8Array(this.#wasm.memory.buffer);
    const parent = this.#at;
    /** @type {Edge | null} */
    let edge = null;
    if (parent) {
      const pieces = this.#difference(live);
      edge = { pieces, disk: this.#since, bytes: pieces.size * PIECE + weight(this.#since) };
      for (const [n] of pieces) this.#kept.set(live.subarray(n * PIECE, (n + 1) * PIECE), n * PIECE);
    } else this.#kept = live.slice();
    this.#since = [];
    /** @type {Step} */
    const step = { id: this.#next++, parent, edge, pages: live.length / 65536, references: this.#references(), terminals: this.#machine.terminals() };
    this.#steps.set(step.id, step);
    this.#at = step;
    this.#forget();
    return { id: step.id, parent: parent?.id ?? null, alive: [...this.#steps.keys()], bytes: this.#bytes() };
  }

  /** The kept content of what is different now. @param {Uint8Array} live */
  #difference(live) {
    if (this.#kept.length < live.length) {
      const larger = new Uint8Array(live.length);
      larger.set(this.#kept);
      this.#kept = larger;
    }
    /** @type {Map<number, Uint8Array>} */
    const pieces = new Map();
    const now = new Int32Array(live.buffer, 0, live.length / 4);
    const kept = new Int32Array(this.#kept.buffer, 0, live.length / 4);
    for (let start = 0, n = 0; start < now.length; start += WORDS, n++) {
      for (let i = start, end = start + WORDS; i < end; i++) {
        if (now[i] !== kept[i]) {
          pieces.set(n, this.#kept.slice(n * PIECE, (n + 1) * PIECE));
          break;
        }
      }
    }
    return pieces;
  }

  /** @param {number} id */
  has(id) {
    return this.#steps.has(id);
  }

  /**
   * Makes the machine what it was at a step. What happened since the last step is dropped.
   * @param {number} id
   * @returns {Promise<[number, number][]>} the terminals there were
   */
  async go(id) {
    const target = this.#steps.get(id);
    if (!target || !this.#at) throw new Error(`there is no step ${id}`);
    await this.#quiet();
    const up = ancestry(this.#at);
    const down = ancestry(target);
    while (up.length && down.length && up[up.length - 1] === down[down.length - 1]) {
      up.pop();
      down.pop();
    }
    const path = [...up, ...down.reverse()];
    // The disk first, in one transaction: if the tab dies here, it starts again as that step was.
    if (this.#machine.store) {
      const lists = [this.#since, ...path.map((s) => /** @type {Edge} */ (s.edge).disk)];
      const store = await PageStore.open(this.#machine.store);
      try {
        const replaced = await store.swap(lists);
        path.forEach((s, i) => {
          const edge = /** @type {Edge} */ (s.edge);
          edge.disk = replaced[i + 1];
          edge.bytes = edge.pieces.size * PIECE + weight(edge.disk);
        });
      } finally {
        store.close();
      }
    }
    this.#since = [];
    for (const { edge } of path) {
      for (const [n, piece] of /** @type {Edge} */ (edge).pieces) {
        const other = this.#kept.slice(n * PIECE, (n + 1) * PIECE);
        this.#kept.set(piece, n * PIECE);
        /** @type {Edge} */ (edge).pieces.set(n, other);
      }
    }
    const live = new Uint8Array(this.#wasm.memory.buffer);
    const size = target.pages * 65536;
    live.set(this.#kept.subarray(0, size));
    // Memory never shrinks: what the engine does not know of is as if it had just been given.
    live.fill(0, size);
    const table = this.#wasm.__wbindgen_externrefs;
    for (let i = 0; i < table.length; i++) table.set(i, target.references[i]);
    this.#at = target;
    return target.terminals;
  }

  #bytes() {
    let bytes = this.#kept.length;
    for (const { edge } of this.#steps.values()) bytes += edge?.bytes ?? 0;
    return bytes;
  }

  /** Forgets branches that were left, oldest first, then the oldest steps. */
  #forget() {
    const limit = LIMIT + this.#kept.length;
    while (this.#bytes() > limit && this.#steps.size > 2) {
      const all = [...this.#steps.values()];
      const parents = new Set(all.map((s) => s.parent));
      const path = new Set(ancestry(/** @type {Step} */ (this.#at)));
      const leaf = all.find((s) => !parents.has(s) && !path.has(s));
      if (leaf) {
        this.#steps.delete(leaf.id);
        continue;
      }
      const [first, second] = all;
      second.parent = null;
      second.edge = null;
      this.#steps.delete(first.id);
    }
  }
}

/** A step and those before it. @param {Step} step */
function ancestry(step) {
  const line = [];
  for (let at = /** @type {Step | null} */ (step); at; at = at.parent) line.push(at);
  return line;
}

/** @param {StoreOp[]} ops */
const weight = (ops) => ops.reduce((n, [, key, value]) => n + key.length + 64 + (value?.length ?? 0), 0);
