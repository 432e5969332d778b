// A Docker host on a server's kernel, where the page has the one of its own tab: terminals by WebSocket, the Engine API
// and lines of the shell by HTTP.
import { askLine } from '../dialog.js';
import { Host } from '../host.js';
import { Line } from './line.js';
import { Frames, entries, quoted } from './wire.js';

/** @import { ApiResponse } from '../host.js' */
/** @import { Calls, ExecResult, State, ToWorker } from '../protocol.js' */

/** What is kept of a session over a reload: its id. */
const KEPT = 'bottleship:hosted';
/** Terminals a session may have by default; the server has the last word. */
const TERMINALS = 8;

/** @typedef {{ sessions: number, used: number, queue: number, invitation: boolean }} Offer */
/** @typedef {{ id: string, expires_at: string, seconds_left: number, preview: string }} Facts */

/** What the page's server offers, if it does. @returns {Promise<Offer | null>} */
export async function offered() {
  try {
    const answer = await fetch('./hosted.json');
    const offer = answer.ok ? await answer.json() : null;
    return typeof offer?.sessions === 'number' ? offer : null;
  } catch {
    return null;
  }
}

export class HostedHost extends Host {
  /** @type {Facts | null} */ session = null;
  /** When it ends, on this device's clock (ms). */ ends = 0;
  /** @type {Map<number, { line: Line, number: number }>} */ #lines = new Map();
  #id = 1;
  #booting = 0;

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.emit('state', state);
  }

  /** @param {string} [rest] */
  #url(rest = '') {
    return new URL(`./api/sessions/${this.session?.id}${rest}`, document.baseURI);
  }

  /** Comes back to the session there is, or asks for one. */
  async boot() {
    this.stop();
    const booting = ++this.#booting;
    this.#become({ t: 'state', state: 'starting' });
    try {
      const kept = sessionStorage.getItem(KEPT);
      let fresh = false;
      let session = null;
      if (kept) {
        const answer = await fetch(`./api/sessions/${kept}`);
        if (answer.ok) session = await answer.json();
        else sessionStorage.removeItem(KEPT);
      }
      if (!session) {
        session = await this.#ask(() => this.#booting === booting);
        fresh = true;
      }
      if (!session || this.#booting !== booting) return;
      this.session = session;
      sessionStorage.setItem(KEPT, session.id);
      this.#clock(session.seconds_left);
      this.#become({ t: 'state', state: 'ready', fresh, kept: true });
    } catch (error) {
      if (this.#booting === booting) this.#become({ t: 'state', state: 'stopped', message: /** @type {Error} */ (error).message });
    }
  }

  /** Asks for a session, and again while all are in use. @param {() => boolean} wanted @returns {Promise<Facts | null>} */
  async #ask(wanted) {
    let [ticket, invitation] = [/** @type {string | undefined} */ (undefined), /** @type {string | undefined} */ (undefined)];
    while (wanted()) {
      const answer = await fetch('./api/sessions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ticket, invitation }) });
      const said = await answer.json().catch(() => ({}));
      if (answer.status === 201) {
        this.emit('queue', null);
        return said;
      }
      if (answer.status === 401) {
        invitation = (await askLine({ title: 'Sessions of this server need an invitation', label: 'Invitation', yes: 'Go on' })) ?? undefined;
        if (!invitation) throw new Error('Sessions of this server need an invitation.');
        continue;
      }
      if (answer.status !== 503 || typeof said.position !== 'number') throw new Error(said.message ?? `The server answered ${answer.status}.`);
      ticket = said.ticket;
      this.emit('queue', { position: said.position, queue: said.queue });
      await new Promise((resolve) => setTimeout(resolve, 1000 * (Number(answer.headers.get('retry-after')) || 5)));
    }
    return null;
  }

  /** @param {number} seconds that are left */
  #clock(seconds) {
    this.ends = Date.now() + 1000 * seconds;
    this.emit('clock', null);
  }

  /** The session is over. @param {string} reason */
  #ended(reason) {
    if (!this.session) return;
    this.stop();
    sessionStorage.removeItem(KEPT);
    this.#become({ t: 'state', state: 'stopped', message: `The session has ended: ${reason}.` });
  }

  /** Whether the session still is; says why where it isn't. */
  async #alive() {
    if (!this.session) return false;
    const { id } = this.session;
    try {
      const answer = await fetch(this.#url());
      if (answer.status !== 410 && answer.status !== 404) return this.session?.id === id;
      const said = await answer.json().catch(() => ({}));
      if (this.session?.id === id) this.#ended(said.reason ?? 'the server does not know it any more');
      return false;
    } catch {
      return true; // no network: tried again
    }
  }

  stop() {
    for (const { line } of this.#lines.values()) line.close();
    this.#lines.clear();
    this.session = null;
    this.ends = 0;
    this.emit('clock', null);
  }

  /** Ends the session for good. */
  async end() {
    if (!this.session) return;
    const url = this.#url();
    await fetch(url, { method: 'DELETE' }).catch(() => {});
    this.#ended('you ended it');
  }

  /** @param {ToWorker} message */
  post(message) {
    if (message.t === 'in') this.#lines.get(message.term)?.line.send(/** @type {Uint8Array<ArrayBuffer>} */ (message.data));
    else if (message.t === 'resize') this.#lines.get(message.term)?.line.resize(message.cols, message.rows);
  }

  /**
   * @param {number} cols @param {number} rows
   * @param {{ out: (data: Uint8Array) => void, closed: (exitCode: number) => void }} ends
   */
  open(cols, rows, ends) {
    const term = this.#id++;
    const used = new Set([...this.#lines.values()].map((l) => l.number));
    let number = 1;
    while (used.has(number) && number < TERMINALS) number++;
    const url = this.#url(`/terminal?terminal=${number}`);
    url.protocol = url.protocol.replace('http', 'ws');
    const line = new Line(url.href, cols, rows, {
      out: ends.out,
      ended: (reason) => void this.#lineEnded(term, reason, ends),
      connected: (connected) => this.emit('connected', connected),
      clock: (seconds) => this.#clock(seconds),
      alive: () => this.#alive(),
    });
    this.#lines.set(term, { line, number });
    return term;
  }

  /** @param {number} term @param {string} reason @param {{ out: (data: Uint8Array) => void, closed: (exitCode: number) => void }} ends */
  async #lineEnded(term, reason, ends) {
    this.#lines.delete(term);
    // The whole session, or this shell alone.
    if (!(await this.#alive())) return;
    ends.out(new TextEncoder().encode(`\r\n\x1b[2m${reason.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ')}\x1b[0m`));
    ends.closed(0);
  }

  /** The terminal goes on without anybody: whoever opens its number again has its screen. @param {number} term */
  close(term) {
    this.#lines.get(term)?.line.close();
    this.#lines.delete(term);
  }

  /**
   * @param {string} line
   * @param {{ onPiece?: (stream: 'stdout' | 'stderr', data: Uint8Array) => void, signal?: AbortSignal }} [options]
   * @returns {Promise<ExecResult>}
   */
  async exec(line, { onPiece, signal } = {}) {
    const decode = new TextDecoder();
    const began = performance.now();
    const { exitCode, stdout, stderr } = await this.#run(line, null, { onPiece, signal });
    return { exitCode, stdout: decode.decode(stdout), stderr: decode.decode(stderr), ms: performance.now() - began };
  }

  /**
   * @param {string} line @param {Uint8Array | null} input
   * @param {{ onPiece?: (stream: 'stdout' | 'stderr', data: Uint8Array) => void, signal?: AbortSignal }} [options]
   */
  async #run(line, input, { onPiece, signal } = {}) {
    if (!this.session) throw new Error('the session is not there');
    const url = this.#url('/exec');
    url.searchParams.set('line', line);
    const answer = await fetch(url, { method: 'POST', body: /** @type {BodyInit | null} */ (input ?? new Uint8Array(0)), signal });
    if (!answer.ok || !answer.body) throw new Error((await answer.json().catch(() => ({}))).message ?? `the server answered ${answer.status}`);
    const frames = new Frames();
    /** @type {{ 1: Uint8Array<ArrayBuffer>[], 2: Uint8Array<ArrayBuffer>[] }} */
    const out = { 1: [], 2: [] };
    let exitCode = -1;
    const reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const { stream, data } of frames.push(value)) {
        if (stream === 3) exitCode = Number(JSON.parse(new TextDecoder().decode(data)).exitCode);
        else if (onPiece) onPiece(stream === 1 ? 'stdout' : 'stderr', data);
        else out[stream].push(data);
      }
    }
    if (exitCode < 0) throw new Error('the session ended before the command did');
    const joined = async (/** @type {Uint8Array<ArrayBuffer>[]} */ parts) => new Uint8Array(await new Blob(parts).arrayBuffer());
    return { exitCode, stdout: await joined(out[1]), stderr: await joined(out[2]) };
  }

  /** A line that must succeed. @param {string} line @param {Uint8Array | null} [input] */
  async #must(line, input = null) {
    const { exitCode, stdout, stderr } = await this.#run(line, input);
    if (exitCode) throw new Error(new TextDecoder().decode(stderr).trim() || `it ended with exit code ${exitCode}`);
    return stdout;
  }

  /**
   * @template {keyof Calls} K
   * @param {K} name @param {Parameters<Calls[K]>} args
   * @returns {Promise<ReturnType<Calls[K]>>}
   */
  async call(name, ...args) {
    const [path, more] = /** @type {[string, any]} */ (/** @type {unknown} */ (args));
    const is = typeof path === 'string' ? quoted(path) : '';
    /** @type {Record<string, () => Promise<unknown>>} */
    const known = {
      readFile: () => this.#must(`cat -- ${is}`),
      writeFile: async () => {
        const data = /** @type {Uint8Array} */ (more);
        this.emit('wrote', { path, data: data.slice() });
        await this.#must(`cat > ${is}`, data);
      },
      list: async () => entries(new TextDecoder().decode(await this.#must(`cd -- ${is} && { stat -c '%f %s %Y/%n' -- .[!.]* ..?* * 2>/dev/null; true; }`))),
      makeDir: () => this.#must(`mkdir -- ${is}`),
      remove: () => this.#must(`if [ -d ${is} ] && [ ! -L ${is} ]; then rmdir -- ${is}; else rm -- ${is}; fi`),
      rename: () => this.#must(`mv -- ${is} ${quoted(String(more))}`),
      save: async () => {},
      reset: () => this.end(),
      memory: async () => ({ bytes: 0, used: 0 }),
      export: () => this.#must('tar -c -C /root .'),
    };
    const found = known[name];
    if (!found) throw new Error('a session on a server does not have this: the Docker host in the tab does');
    return /** @type {any} */ (found());
  }

  /**
   * @param {string} method @param {string} path
   * @param {{ headers?: [string, string][], body?: Uint8Array<ArrayBuffer> | null, signal?: AbortSignal,
   *   onHead?: (status: number, headers: [string, string][]) => void, onChunk?: (data: Uint8Array) => void }} [options]
   * @returns {Promise<ApiResponse>}
   */
  async api(method, path, { headers = [], body = null, signal, onHead, onChunk } = {}) {
    if (!this.session) throw new Error('the session is not there');
    let answer;
    try {
      answer = await fetch(this.#url(`/docker${path}`), { method, headers, body: /** @type {BodyInit | null} */ (body), signal });
    } catch (error) {
      if (signal?.aborted) throw new DOMException('cancelled', 'AbortError');
      throw error;
    }
    const found = { status: answer.status, headers: /** @type {[string, string][]} */ ([...answer.headers]), chunks: /** @type {Uint8Array[]} */ ([]) };
    onHead?.(found.status, found.headers);
    const reader = answer.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      if (onChunk) onChunk(value);
      else found.chunks.push(value);
    }
    return found;
  }

  /** Where a published port is shown: a page with no origin, by the server's own headers. @param {number} port @returns {string | null} */
  previewAt(port) {
    return this.session && new URL(`.${this.session.preview}${port}`, document.baseURI).href;
  }
}

