// The engine's disk in a browser: one IndexedDB database, one transaction a commit.
// Values live in `values` and their lengths in `sizes`, both under [bucket, key], so that a listing reads no value.

const VERSION = 1;

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {string} bucket */
const range = (bucket) => IDBKeyRange.bound([bucket], [bucket, []]);

/** Time travel listens here to what commits replace (timetravel.js); this module is there twice, in its bundle and in the engine's. */
const JOURNAL = Symbol.for('bottleship.journal');

/** @typedef {[bucket: string, key: string, value: Uint8Array | null]} Op null deletes */

export class PageStore {
  #db;

  /** @param {IDBDatabase} db */
  constructor(db) {
    this.#db = db;
    // Another tab, or a reset, wants the database gone or newer: it must not wait for this one.
    db.onversionchange = () => db.close();
  }

  /** @param {string} name @returns {Promise<PageStore>} */
  static async open(name) {
    const request = indexedDB.open(name, VERSION);
    request.onupgradeneeded = () => {
      for (const store of ['values', 'sizes']) if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store);
    };
    return new PageStore(await result(request));
  }

  /** Keys of a bucket, in order, and the lengths of their values. @param {string} bucket @returns {Promise<[string[], number[]]>} */
  async list(bucket) {
    const sizes = this.#db.transaction('sizes').objectStore('sizes');
    const [keys, lengths] = await Promise.all([result(sizes.getAllKeys(range(bucket))), result(sizes.getAll(range(bucket)))]);
    return [keys.map((k) => /** @type {string[]} */ (k)[1]), lengths];
  }

  /** Keys of a bucket, in order, and their values. @param {string} bucket @returns {Promise<[string[], Uint8Array[]]>} */
  async load(bucket) {
    const values = this.#db.transaction('values').objectStore('values');
    const [keys, all] = await Promise.all([result(values.getAllKeys(range(bucket))), result(values.getAll(range(bucket)))]);
    return [keys.map((k) => /** @type {string[]} */ (k)[1]), all];
  }

  /** @param {string} bucket @param {string} key @returns {Promise<Uint8Array | undefined>} */
  get(bucket, key) {
    return result(this.#db.transaction('values').objectStore('values').get([bucket, key]));
  }

  /** Everything: bucket and key, and the value. @returns {Promise<[[string, string], Uint8Array][]>} */
  async all() {
    const values = this.#db.transaction('values').objectStore('values');
    const [keys, all] = await Promise.all([result(values.getAllKeys()), result(values.getAll())]);
    return keys.map((k, i) => [/** @type {[string, string]} */ (k), all[i]]);
  }

  /**
   * All or nothing, and when it is strict on the disk when it resolves, with all before it.
   * @param {Op[]} ops @param {boolean} strict
   * @returns {Promise<void>}
   */
  async commit(ops, strict) {
    const journal = /** @type {any} */ (globalThis)[JOURNAL];
    const [replaced] = await this.#apply([ops], !!journal, strict);
    journal?.(replaced);
  }

  /**
   * Applies lists of changes, all or nothing.
   * @param {Op[][]} lists
   * @returns {Promise<Op[][]>} for each list the changes that take it back, in the order in which they are to be applied
   */
  swap(lists) {
    return this.#apply(lists, true);
  }

  /** @param {Op[][]} lists @param {boolean} remember what was there before @param {boolean} [strict] @returns {Promise<Op[][]>} */
  #apply(lists, remember, strict = true) {
    return new Promise((resolve, reject) => {
      const transaction = this.#db.transaction(['values', 'sizes'], 'readwrite', { durability: strict ? 'strict' : 'relaxed' });
      /** @type {Op[][]} */
      const replaced = lists.map(() => []);
      transaction.oncomplete = () => resolve(replaced.map((r) => r.reverse()));
      transaction.onabort = () => reject(transaction.error ?? new DOMException('the transaction was aborted', 'AbortError'));
      const values = transaction.objectStore('values');
      const sizes = transaction.objectStore('sizes');
      for (const [list, [bucket, key, value]] of lists.flatMap((ops, i) => ops.map((op) => /** @type {const} */ ([replaced[i], op])))) {
        if (remember) {
          const before = values.get([bucket, key]);
          before.onsuccess = () => list.push([bucket, key, before.result ?? null]);
        }
        if (value === null) {
          values.delete([bucket, key]);
          sizes.delete([bucket, key]);
        } else {
          values.put(value, [bucket, key]);
          sizes.put(value.length, [bucket, key]);
        }
      }
    });
  }

  /** Forgets everything. @returns {Promise<void>} */
  clear() {
    return new Promise((resolve, reject) => {
      const transaction = this.#db.transaction(['values', 'sizes'], 'readwrite', { durability: 'strict' });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      transaction.objectStore('values').clear();
      transaction.objectStore('sizes').clear();
    });
  }

  close() {
    this.#db.close();
  }
}
