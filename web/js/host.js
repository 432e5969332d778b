// The page's end of the worker: promises, streams and events instead of messages.

/** @import { Begun } from './begin.js' */
/** @import { Calls, ExecResult, FromWorker, State, ToWorker } from './protocol.js' */

/**
 * @typedef {object} ApiResponse
 * @property {number} status
 * @property {[string, string][]} headers
 * @property {Uint8Array[]} chunks the body, empty when `onChunk` was given
 *
 * @typedef {object} Pending
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {ApiResponse} [response]
 * @property {(data: Uint8Array) => void} [onChunk]
 * @property {(status: number, headers: [string, string][]) => void} [onHead]
 * @property {(stream: 'stdout' | 'stderr', data: Uint8Array) => void} [onPiece]
 */

/** An answer of the Engine API that is an error, with Docker's message. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** The Docker host, as the page sees it. */
export class Host {
  /** @type {Worker | null} */ #worker = null;
  /** @type {Map<number, Pending>} */ #pending = new Map();
  #next = 1;
  /** @type {Map<string, Set<(detail: any) => void>>} */ #listeners = new Map();
  /** @type {Map<number, { out: (data: Uint8Array) => void, closed: (exitCode: number) => void }>} */ #terminals = new Map();
  /** @type {State} */ state = { t: 'state', state: 'starting' };
  /** @type {() => void} */ #spoke = () => {};
  /** Settled when a terminal first shows something. @type {Promise<void>} */ spoken = new Promise((resolve) => (this.#spoke = resolve));

  /** Takes a host that begins. @param {Begun} begun */
  boot({ worker, early, failed }) {
    this.stop();
    this.#worker = worker;
    this.#setState({ t: 'state', state: 'starting' });
    for (const message of early.splice(0)) if (this.#worker === worker) this.#receive(message);
    worker.onmessage = (event) => this.#receive(event.data);
    void failed.then((error) => this.#worker === worker && this.#failed(error.message));
  }

  /** Ends the worker; what was stored stays. */
  stop() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#terminals.clear();
    for (const p of this.#pending.values()) p.reject(new Error('the Docker host was stopped'));
    this.#pending.clear();
  }

  /** @param {string} message */
  #failed(message) {
    this.stop();
    this.#setState({ t: 'state', state: 'stopped', message });
  }

  /** @param {State} state */
  #setState(state) {
    this.state = state;
    this.emit('state', state);
  }

  /** @param {ToWorker} message @param {Transferable[]} [transfer] */
  post(message, transfer = []) {
    this.#worker?.postMessage(message, transfer);
  }

  /** @param {FromWorker} m */
  #receive(m) {
    if (m.t === 'state') {
      if (m.state === 'stopped') return this.#failed(m.message ?? '');
      if (m.state === 'lost' || m.state === 'taken') this.stop();
      return this.#setState(m);
    }
    if (m.t === 'out' || m.t === 'closed') {
      this.#spoke();
      const terminal = this.#terminals.get(m.term);
      if (m.t === 'out') return terminal?.out(m.data);
      this.#terminals.delete(m.term);
      return terminal?.closed(m.exitCode);
    }
    if (m.t === 'event') return this.emit(m.name, m.detail);
    const p = this.#pending.get(m.id);
    if (!p) return;
    switch (m.t) {
      case 'head':
        p.response = { status: m.status, headers: m.headers, chunks: [] };
        p.onHead?.(m.status, m.headers);
        break;
      case 'chunk':
        if (p.onChunk) p.onChunk(m.data);
        else p.response?.chunks.push(m.data);
        break;
      case 'piece':
        try {
          p.onPiece?.(m.stream, m.data);
        } finally {
          this.post({ t: 'taken', id: m.id, bytes: m.data.length });
        }
        break;
      case 'result':
        this.#pending.delete(m.id);
        p.resolve(p.response ?? m.value);
        break;
      case 'failed':
        this.#pending.delete(m.id);
        p.reject(new Error(m.message));
        break;
    }
  }

  /**
   * @template {keyof Calls} K
   * @param {K} name @param {Parameters<Calls[K]>} args
   * @returns {Promise<ReturnType<Calls[K]>>}
   */
  call(name, ...args) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new Error('the Docker host is not running'));
      this.#pending.set(id, { resolve, reject });
      if (name === 'writeFile') this.emit('wrote', { path: args[0], data: /** @type {Uint8Array} */ (args[1]).slice() });
      const transfer = args.filter((a) => a instanceof Uint8Array).map((a) => /** @type {Uint8Array<ArrayBuffer>} */ (a).buffer);
      this.post({ t: 'call', id, name, args }, transfer);
    });
  }

  /**
   * Runs a line in a shell of the host, standard input empty.
   * @param {string} line
   * @param {{ onPiece?: (stream: 'stdout' | 'stderr', data: Uint8Array) => void, signal?: AbortSignal }} [options]
   * @returns {Promise<ExecResult>}
   */
  exec(line, { onPiece, signal } = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new Error('the Docker host is not running'));
      this.#pending.set(id, { resolve, reject, onPiece });
      this.post({ t: 'exec', id, line, stream: !!onPiece });
      const cancel = () => this.#pending.has(id) && this.post({ t: 'cancel', id });
      if (signal?.aborted) cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /**
   * One request of the Docker Engine API.
   * @param {string} method @param {string} path
   * @param {{ headers?: [string, string][], body?: Uint8Array<ArrayBuffer> | null, signal?: AbortSignal,
   *   onHead?: (status: number, headers: [string, string][]) => void, onChunk?: (data: Uint8Array) => void }} [options]
   * @returns {Promise<ApiResponse>}
   */
  api(method, path, { headers = [], body = null, signal, onHead, onChunk } = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (!this.#worker) return reject(new Error('the Docker host is not running'));
      this.#pending.set(id, { resolve, reject, onChunk, onHead });
      signal?.addEventListener('abort', () => {
        if (!this.#pending.delete(id)) return;
        this.post({ t: 'cancel', id });
        reject(new DOMException('cancelled', 'AbortError'));
      });
      this.post({ t: 'api', id, method, path, headers, body }, body ? [body.buffer] : []);
    });
  }

  /**
   * A request answered by JSON.
   * @param {string} path
   * @returns {Promise<any>}
   */
  async json(path) {
    const { status, chunks } = await this.api('GET', path);
    const text = await new Blob(/** @type {BlobPart[]} */ (chunks)).text();
    if (status >= 400) {
      let message = text;
      try {
        message = JSON.parse(text).message ?? text;
      } catch {
        // Not JSON: the text itself is the message.
      }
      throw new ApiError(status, message);
    }
    return JSON.parse(text);
  }

  /**
   * Opens a terminal of the host.
   * @param {number} cols @param {number} rows
   * @param {{ out: (data: Uint8Array) => void, closed: (exitCode: number) => void }} ends
   * @returns {number}
   */
  open(cols, rows, ends) {
    const term = this.#next++;
    this.#terminals.set(term, ends);
    this.post({ t: 'open', term, cols, rows });
    return term;
  }

  /** @param {number} term */
  close(term) {
    this.#terminals.delete(term);
    this.post({ t: 'close', term });
  }

  /**
   * The address at which the host's server itself shows a published port; none where the page has to.
   * @param {number} _port @returns {string | null}
   */
  previewAt(_port) {
    return null;
  }

  /**
   * Calls `listener` on each event; the function it returns ends that.
   * @param {string} event @param {(detail: any) => void} listener
   */
  on(event, listener) {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set);
    set.add(listener);
    return () => void set.delete(listener);
  }

  /** @param {string} event @param {unknown} detail */
  emit(event, detail) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
