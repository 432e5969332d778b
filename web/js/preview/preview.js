// Preview: a published port as a page, in a frame of another origin. There a service worker hands every request to this
// page, which carries it to the server in the emulated machine. The frame holds a MessagePort and nothing else.
import { fill, h, icon } from '../dom.js';
import { Cookies, encode } from './http.js';

/** @import { Host } from '../host.js' */
/** @import { Model } from '../model.js' */

const SANDBOX = 'allow-scripts allow-forms allow-same-origin';
/** Of a page that comes by this site's own address: it must not have this site's origin. */
const SANDBOX_HERE = 'allow-scripts allow-forms';

/**
 * Where previews are shown: each has an origin of its own, so that what runs there reaches neither this page nor another
 * preview. The server says where (previews.json); without its word every name under localhost is an origin of this
 * machine, though browsers may count it as another site's and refuse it in a frame.
 */
export class Origins {
  /** @type {{ pattern?: string, ports?: number[] }} */ #given = {};
  /** Which of the given ports a published port has. @type {Map<number, number>} */ #slots = new Map();

  async load() {
    try {
      const answer = await fetch('./previews.json');
      const { pattern, ports } = answer.ok ? await answer.json() : {};
      if (typeof pattern === 'string' && pattern.includes('{port}')) this.#given = { pattern };
      else if (Array.isArray(ports) && ports.every((p) => Number.isInteger(p) && p > 0 && p < 65536)) this.#given = { ports };
    } catch {
      // Offline: as without a word.
    }
  }

  /** @param {number} port @param {Location | URL} [here] @returns {string | null} null where there is none */
  of(port, here = location) {
    const { pattern, ports } = this.#given;
    if (pattern) return new URL(pattern.replace('{port}', String(port))).origin;
    if (here.pathname !== '/') return null; // a service worker must have the whole origin
    if (ports?.length && /^(localhost|127(\.\d+){3})$/.test(here.hostname)) {
      if (!this.#slots.has(port)) {
        const used = new Set(this.#slots.values());
        const free = ports.find((p) => !used.has(p));
        const [oldest] = this.#slots.keys();
        const slot = free ?? /** @type {number} */ (this.#slots.get(oldest));
        if (free === undefined) this.#slots.delete(oldest);
        this.#slots.set(port, slot);
      }
      return `http://${here.hostname}:${this.#slots.get(port)}`;
    }
    const local = /^(localhost|127(\.\d+){3}|\[::1\]|[\w-]+\.localhost)$/.test(here.hostname);
    return local ? `${here.protocol}//p${port}.localhost${here.port && `:${here.port}`}` : null;
  }
}

/** @typedef {{ port: number, name: string }} Published */

/** @param {Model | null} model @returns {Published[]} TCP ports that running containers publish */
export function published(model) {
  const all = (model?.containers ?? []).filter((c) => c.state === 'running').flatMap((c) => c.ports.flatMap((p) => (/^\d+→\d+$/.test(p) ? [{ port: Number.parseInt(p), name: c.name }] : [])));
  return all.filter((p, i) => all.findIndex((q) => q.port === p.port) === i).sort((a, b) => a.port - b.port);
}

export class Preview {
  /** @type {number | null} */ #port = null;
  #path = '/';
  #origins = new Origins();
  /** @type {Published[]} */ #ports = [];
  #drawn = '';
  /** By port. @type {Map<number, Cookies>} */ #cookies = new Map();
  /** Windows that may ask for a port: frames and tabs of previews. @type {Map<WindowProxy, number>} */ #windows = new Map();
  /** @type {HTMLIFrameElement | null} */ #frame = null;

  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.bar = h('div.row.pvbar', null);
    this.body = h('div.pvbody', null);
    this.element = h('div.preview', null, this.bar, this.body);
    addEventListener('message', (e) => this.#hello(e));
    void this.#origins.load();
  }

  /** @param {Model | null} model */
  update(model) {
    this.#ports = published(model);
    if (this.#port === null || (!this.#ports.some((p) => p.port === this.#port) && this.#ports.length)) this.#port = this.#ports[0]?.port ?? null;
    const sign = JSON.stringify([this.#ports, this.#port]);
    if (sign !== this.#drawn) this.#draw();
    this.#drawn = sign;
  }

  /** @param {number} port */
  open(port) {
    this.#port = port;
    this.#path = '/';
    this.#drawn = '';
    this.#draw();
  }

  /** Where the host's server shows the port, if it does. */
  #served() {
    return this.#port === null ? null : this.host.previewAt(this.#port);
  }

  #origin() {
    return this.#port === null ? null : (this.#served() ?? this.#origins.of(this.#port));
  }

  #draw() {
    const origin = this.#origin();
    const shown = this.#ports.find((p) => p.port === this.#port);
    if (!shown || this.#port === null) {
      fill(this.bar);
      fill(this.body, h('div.blank', null, h('h2', null, 'No port is published'), h('p', null, 'Start a container with -p and what it serves is shown here, for example ', h('code', null, 'docker run -d -p 8080:80 nginx'), '.')));
      this.#frame = null;
      return;
    }
    if (!origin) {
      fill(this.bar);
      fill(this.body, h('div.blank', null, h('h2', null, 'No preview at this address'), h('p', null, 'A preview needs an address of its own, so that what runs in it can’t touch this page. This site has none. The server answers in the terminal: ', h('code', null, `curl localhost:${this.#port}`), '.')));
      this.#frame = null;
      return;
    }
    const path = h('input.field.sm.grow', { 'aria-label': 'Path', value: this.#path, spellcheck: 'false', autocapitalize: 'off' });
    fill(
      this.bar,
      h('label.s13', null, h('span.sr', null, 'Port'), h('select.field.sm', { onchange: (/** @type {Event} */ e) => this.open(Number(/** @type {HTMLSelectElement} */ (e.target).value)) }, this.#ports.map((p) => h('option', { value: p.port, selected: p.port === this.#port }, `${p.name}, port ${p.port}`)))),
      h('form.row.grow', { onsubmit: (/** @type {Event} */ e) => (e.preventDefault(), this.#go(path.value)) }, h('code.s12.t2', null, `localhost:${this.#port}`), path, h('button.btn.ghost.icon.sm', { 'aria-label': 'Load', title: 'Load' }, icon('restart'))),
      h('button.btn.sm', { onclick: () => this.#tab() }, icon('out', 14), 'Open in a tab'),
    );
    this.#go(this.#path);
  }

  /** @param {string} path */
  #go(path) {
    const origin = this.#origin();
    if (!origin || this.#port === null) return;
    this.#path = path.startsWith('/') ? path : `/${path}`;
    const name = this.#ports.find((p) => p.port === this.#port)?.name ?? '';
    this.#frame = h('iframe', { title: `Preview of ${name}, port ${this.#port}`, sandbox: this.#served() ? SANDBOX_HERE : SANDBOX, referrerpolicy: 'no-referrer', allow: '', src: this.#start(origin) });
    fill(this.body, this.#frame);
  }

  /** The page that sets a preview up, on its own origin. @param {string} origin */
  #start(origin) {
    const served = this.#served();
    return served ? served + this.#path : `${origin}/preview/open.html#${encodeURIComponent(this.#path)}`;
  }

  #tab() {
    const origin = this.#origin();
    if (!origin || this.#port === null) return;
    if (this.#served()) return void window.open(this.#start(origin), '_blank', 'noopener,noreferrer');
    const tab = window.open(this.#start(origin), '_blank');
    if (tab) this.#windows.set(tab, this.#port);
  }

  /** A window of a preview asks for its line. It gets one to its own port and no other. @param {MessageEvent} e */
  #hello(e) {
    if (e.data !== 'bottleship-preview' || !e.source) return;
    const source = /** @type {WindowProxy} */ (e.source);
    const port = this.#frame && source === this.#frame.contentWindow ? this.#port : this.#windows.get(source);
    if (port === null || port === undefined || e.origin !== this.#origins.of(port)) return;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (m) => void this.#answer(port, m);
    source.postMessage('bottleship-preview', { targetOrigin: e.origin, transfer: [port2] });
  }

  /** @param {number} port @param {MessageEvent} m */
  async #answer(port, m) {
    const [reply] = m.ports;
    if (!reply) return;
    try {
      const { method, path, headers, body } = m.data ?? {};
      if (typeof method !== 'string' || typeof path !== 'string' || !path.startsWith('/') || !Array.isArray(headers)) throw new Error('that is no request');
      const sent = { method, path, headers: headers.filter((p) => Array.isArray(p) && p.length === 2).map(([n, v]) => /** @type {[string, string]} */ ([String(n), String(v)])), body: body instanceof ArrayBuffer ? new Uint8Array(body) : null };
      const answer = await this.fetch(port, sent);
      reply.postMessage({ status: answer.status, statusText: answer.statusText, headers: answer.headers, body: answer.body.buffer }, [answer.body.buffer]);
    } catch (error) {
      reply.postMessage({ error: /** @type {Error} */ (error).message });
    }
  }

  /**
   * One request to a published port.
   * @param {number} port @param {import('./http.js').Request} request
   * @returns {Promise<import('./http.js').Response>}
   */
  async fetch(port, request) {
    const jar = this.#cookies.get(port) ?? new Cookies();
    this.#cookies.set(port, jar);
    const answer = await this.host.call('exchange', port, request.method, encode(request, port, jar.header()));
    jar.take(answer.cookies);
    const location = answer.headers.find(([n]) => n === 'location');
    // The server knows itself as localhost; there it has its preview's name.
    if (location) location[1] = location[1].replace(/^https?:\/\/(localhost|127\.0\.0\.1)(:\d+)?(?=\/|$)/, '') || '/';
    return answer;
  }
}
