// HTTP/1.1 to a server in the emulated machine: one request a connection. The server is a stranger's program: what it
// answers is bounded and checked.

/** Bytes of a head and of a body that are taken. */
export const MAX = { head: 64 * 1024, body: 32 * 1024 * 1024 };

/** Of this connection, or of the site and not of the preview (RFC 9110, 7.6.1; W31 of previews). */
const DROPPED = /^(connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade|content-length|set-cookie2?|service-worker-allowed|clear-site-data|strict-transport-security|alt-svc|nel|report-to|reporting-endpoints|public-key-pins)$/;
/** What a browser's request has that the server in the machine shall not see, or that is said anew. */
const UNSENT = /^(host|connection|content-length|cookie|origin|referer|te|upgrade|sec-.*|proxy-.*)$/;

/**
 * @typedef {{ method: string, path: string, headers: [string, string][], body: Uint8Array | null }} Request
 * @typedef {{ status: number, statusText: string, headers: [string, string][], cookies: string[], body: Uint8Array<ArrayBuffer> }} Response
 */

/** @param {Request} request @param {number} port @param {string} cookies @returns {Uint8Array<ArrayBuffer>} */
export function encode({ method, path, headers, body }, port, cookies) {
  const clean = (/** @type {string} */ s) => s.replace(/[\r\n\0]/g, '');
  const lines = [`${clean(method)} ${clean(path).replaceAll(' ', '%20')} HTTP/1.1`, `Host: localhost:${port}`, 'Connection: close'];
  for (const [name, value] of headers) if (!UNSENT.test(name.toLowerCase()) && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) lines.push(`${name}: ${clean(value)}`);
  if (cookies) lines.push(`Cookie: ${clean(cookies)}`);
  if (body) lines.push(`Content-Length: ${body.length}`);
  const head = new TextEncoder().encode(`${lines.join('\r\n')}\r\n\r\n`);
  const all = new Uint8Array(head.length + (body?.length ?? 0));
  all.set(head);
  if (body) all.set(body, head.length);
  return all;
}

/** @typedef {{ status: number, statusText: string, headers: [string, string][], cookies: string[], at: number, length: number | null, chunked: boolean }} Head `at`: where the body begins */

/** Takes an answer as it comes. */
export class Decoder {
  #data = new Uint8Array(4096);
  #length = 0;
  /** @type {Head | null} */ #head = null;
  #method;

  /** @param {string} method of the request */
  constructor(method) {
    this.#method = method;
  }

  /** @param {Uint8Array} piece @returns {boolean} whether it is whole */
  push(piece) {
    const needed = this.#length + piece.length;
    if (needed > MAX.head + MAX.body) throw new Error('the answer is larger than 32 MiB');
    if (needed > this.#data.length) {
      const larger = new Uint8Array(Math.max(needed, this.#data.length * 2));
      larger.set(this.#data.subarray(0, this.#length));
      this.#data = larger;
    }
    this.#data.set(piece, this.#length);
    this.#length = needed;
    if (!this.#head && !this.#readHead()) return false;
    const head = /** @type {Head} */ (this.#head);
    if (this.#bodiless(head.status)) return true;
    if (head.chunked) return !!dechunk(this.#data.subarray(head.at, this.#length));
    return head.length !== null && this.#length - head.at >= head.length;
  }

  /** @param {number} status */
  #bodiless(status) {
    return this.#method === 'HEAD' || status === 204 || status === 304;
  }

  #readHead() {
    const seen = new TextDecoder('latin1').decode(this.#data.subarray(0, Math.min(this.#length, MAX.head)));
    const end = /\r?\n\r?\n/.exec(seen);
    if (!end) {
      if (this.#length >= MAX.head) throw new Error('the answer’s head is larger than 64 KiB');
      return false;
    }
    const [first, ...lines] = seen.slice(0, end.index).split(/\r?\n/);
    const status = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first);
    if (!status) throw new Error('that is not a web server: its answer is not HTTP');
    if (status[1].startsWith('1')) {
      // An interim answer; the real one follows.
      const rest = this.#data.slice(end.index + end[0].length, this.#length);
      this.#length = 0;
      return rest.length ? (this.push(rest), !!this.#head) : false;
    }
    /** @type {[string, string][]} */
    const headers = [];
    const cookies = [];
    let length = null;
    let chunked = false;
    for (const line of lines) {
      const at = line.indexOf(':');
      const name = line.slice(0, at).toLowerCase();
      const value = line.slice(at + 1).trim();
      if (at < 1 || !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) continue;
      if (name === 'set-cookie') cookies.push(value);
      if (name === 'content-length' && /^\d{1,12}$/.test(value)) length = Number(value);
      if (name === 'transfer-encoding') chunked = /\bchunked\b/i.test(value);
      if (!DROPPED.test(name)) headers.push([name, value]);
    }
    this.#head = { status: Number(status[1]), statusText: (status[2] ?? '').replace(/[^\x20-\x7e]/g, ''), headers, cookies, at: end.index + end[0].length, length, chunked };
    return true;
  }

  /** @returns {Response} */
  end() {
    const head = this.#head;
    if (!head) throw new Error(this.#length ? 'the server closed in the middle of its answer' : 'the server closed without an answer');
    const raw = this.#data.slice(head.at, this.#length);
    let body = head.chunked ? (dechunk(raw) ?? raw) : head.length === null ? raw : raw.slice(0, head.length);
    if (this.#bodiless(head.status)) body = new Uint8Array(0);
    return { status: head.status, statusText: head.statusText, headers: head.headers, cookies: head.cookies, body };
  }
}

/** The body in chunks, joined; nothing while its end is not there. @param {Uint8Array} data @returns {Uint8Array<ArrayBuffer> | null} */
export function dechunk(data) {
  const parts = [];
  let at = 0;
  for (;;) {
    const end = data.indexOf(10, at);
    if (end < 0 || end - at > 1024) {
      if (end - at > 1024) throw new Error('a chunk’s size is too long');
      return null;
    }
    const size = /^([0-9a-f]{1,8})\s*(;.*)?\r?$/i.exec(new TextDecoder('latin1').decode(data.subarray(at, end)));
    if (!size) throw new Error('a chunk’s size is no number');
    const length = parseInt(size[1], 16);
    at = end + 1;
    if (length === 0) return new Uint8Array(joined(parts));
    if (at + length > data.length) return null;
    parts.push(data.subarray(at, at + length));
    at += length;
    if (data[at] === 13) at++;
    if (data[at] === 10) at++;
  }
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

/** A preview's cookies: by name alone, for as long as the page is open. */
export class Cookies {
  /** @type {Map<string, string>} */ #all = new Map();

  /** @param {string[]} set values of Set-Cookie */
  take(set) {
    for (const line of set.slice(0, 50)) {
      const pair = /^\s*([^=;\s]{1,256})=([^;]{0,4096})/.exec(line);
      if (!pair) continue;
      const gone = /;\s*max-age\s*=\s*(0|-\d+)\s*(;|$)/i.test(line) || /;\s*expires\s*=[^;]*\b19[0-9]{2}\b/i.test(line);
      if (gone) this.#all.delete(pair[1]);
      else if (this.#all.size < 50 || this.#all.has(pair[1])) this.#all.set(pair[1], pair[2].trim());
    }
  }

  header() {
    return [...this.#all].map(([k, v]) => `${k}=${v}`).join('; ');
  }
}
