// <bottleship-lab lesson="…">: a lesson on another site's page, by one script tag. The lab is a frame of the site that this
// script came from; the page talks to it over a port of its own, and what it does there stays in that page's own hosts.
(() => {
  const site = new URL('.', /** @type {HTMLScriptElement} */ (document.currentScript).src);

  class BottleshipLab extends HTMLElement {
    static observedAttributes = ['lesson', 'height'];
    /** @type {HTMLIFrameElement | null} */ #frame = null;
    /** @type {MessagePort | null} */ #port = null;
    /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */ #pending = new Map();
    #next = 1;
    #ready = /** @type {{ promise: Promise<void>, resolve: () => void, settled: boolean }} */ ({});

    constructor() {
      super();
      this.#unready();
    }

    #unready() {
      if (this.#ready.settled === false) return; // Whoever waits already waits for what comes now.
      this.#ready.settled = false;
      this.#ready.promise = new Promise((resolve) => {
        this.#ready.resolve = () => {
          this.#ready.settled = true;
          resolve(undefined);
        };
      });
    }

    /** Settled when the lab's host answers. @returns {Promise<void>} */
    get ready() {
      return this.#ready.promise;
    }

    /**
     * Runs a line in the lab's shell. @param {string} line
     * @returns {Promise<{ exitCode: number, stdout: string, stderr: string, ms: number }>}
     */
    async exec(line) {
      await this.ready;
      return this.#ask({ exec: String(line) });
    }

    /** Types a line into the lab's terminal. @param {string} line @returns {Promise<void>} */
    async type(line) {
      await this.ready;
      return this.#ask({ type: String(line) });
    }

    /** @param {object} what @returns {Promise<any>} */
    #ask(what) {
      return new Promise((resolve, reject) => {
        const id = this.#next++;
        this.#pending.set(id, { resolve, reject });
        this.#port?.postMessage({ id, ...what });
      });
    }

    connectedCallback() {
      this.style.display ||= 'block';
      const frame = document.createElement('iframe');
      frame.title = this.getAttribute('title') ?? 'A Docker host to try it on';
      frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-forms allow-downloads allow-popups');
      frame.allow = 'clipboard-write';
      frame.referrerPolicy = 'origin';
      frame.loading = 'lazy';
      // Properties of the style object: a page whose CSP refuses style attributes allows them.
      Object.assign(frame.style, { width: '100%', border: '1px solid #7d8792', borderRadius: '10px' });
      // Not the frame's `load`: the page within starts to listen when it has started, which may be later.
      addEventListener('message', this.#heard);
      this.#frame = frame;
      this.#aim();
      // Not among the page's own elements: React takes away what it did not make there.
      (this.shadowRoot ?? this.attachShadow({ mode: 'open' })).replaceChildren(frame);
    }

    disconnectedCallback() {
      removeEventListener('message', this.#heard);
      this.#port?.close();
      this.#port = this.#frame = null;
    }

    attributeChangedCallback() {
      if (this.#frame) this.#aim();
    }

    #aim() {
      const url = new URL(site);
      url.searchParams.set('lesson', this.getAttribute('lesson') ?? '');
      url.searchParams.set('embed', '');
      const frame = /** @type {HTMLIFrameElement} */ (this.#frame);
      frame.style.height = `${Math.max(320, Number(this.getAttribute('height')) || 480)}px`;
      if (frame.src !== url.href) frame.src = url.href;
    }

    /** @param {MessageEvent} event */
    #heard = (event) => {
      if (event.data === 'bottleship:listening' && event.origin === site.origin && event.source === this.#frame?.contentWindow) this.#connect();
    };

    #connect() {
      this.#port?.close();
      for (const { reject } of this.#pending.values()) reject(new Error('the lab was loaded again'));
      this.#pending.clear();
      this.#unready();
      const { port1, port2 } = new MessageChannel();
      this.#port = port1;
      port1.onmessage = ({ data }) => {
        if (data.ready) return this.#ready.resolve();
        if (data.event) return void this.dispatchEvent(new CustomEvent(data.event, { detail: data.detail, bubbles: true }));
        const waiting = this.#pending.get(data.id);
        this.#pending.delete(data.id);
        if (data.error === undefined) waiting?.resolve(data.value);
        else waiting?.reject(new Error(data.error));
      };
      this.#frame?.contentWindow?.postMessage('bottleship:connect', site.origin, [port2]);
    }
  }

  if (!customElements.get('bottleship-lab')) customElements.define('bottleship-lab', BottleshipLab);
})();
