// A terminal of a session over a WebSocket. A connection that breaks is made again; the server then sends the screen.

/** How long to wait before the next try, in ms; the last one for all that follow. */
const WAITS = [300, 1000, 2000, 5000];
/** Bytes typed while there is no connection that are kept. */
const KEPT = 64 * 1024;
/** Clears a terminal and its modes. */
const RESET = new TextEncoder().encode('\x1bc');

/**
 * @typedef {object} Ends
 * @property {(data: Uint8Array) => void} out
 * @property {(reason: string) => void} ended the server let go of it, and says why
 * @property {(connected: boolean) => void} connected
 * @property {(seconds: number) => void} clock what is left of the session's time
 * @property {() => Promise<boolean>} alive whether the session still is
 */

export class Line {
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Uint8Array<ArrayBuffer>[]} */ #waiting = [];
  #kept = 0;
  #tries = 0;
  #over = false;
  #timer = 0;

  /** @param {string} url @param {number} cols @param {number} rows @param {Ends} ends */
  constructor(url, cols, rows, ends) {
    this.url = url;
    this.size = { cols, rows };
    this.ends = ends;
    this.#connect();
  }

  #connect() {
    const socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    let farewell = false;
    socket.onopen = () => {
      this.#tries = 0;
      this.#say({ resize: this.size });
      for (const data of this.#waiting.splice(0)) socket.send(data);
      this.#kept = 0;
      this.ends.connected(true);
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) return this.ends.out(new Uint8Array(data));
      let said;
      try {
        said = JSON.parse(data);
      } catch {
        return;
      }
      if (said.session) this.ends.clock(Number(said.session.seconds_left));
      if (said.warning) this.ends.clock(Number(said.warning.seconds_left));
      if (said.restore) this.ends.out(RESET.slice());
      if (typeof said.ended === 'string') {
        farewell = true;
        this.#over = true;
        this.ends.ended(said.ended);
      }
    };
    socket.onclose = () => {
      if (this.#socket !== socket || this.#over || farewell) return;
      this.#socket = null;
      this.ends.connected(false);
      this.#timer = window.setTimeout(() => void this.#again(), WAITS[Math.min(this.#tries++, WAITS.length - 1)]);
    };
  }

  async #again() {
    if (this.#over) return;
    if (await this.ends.alive()) this.#connect();
  }

  /** @param {object} control */
  #say(control) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(control));
  }

  /** @param {Uint8Array<ArrayBuffer>} data */
  send(data) {
    if (this.#socket?.readyState === WebSocket.OPEN) return this.#socket.send(data);
    if (this.#kept + data.length > KEPT) return;
    this.#kept += data.length;
    this.#waiting.push(data);
  }

  /** @param {number} cols @param {number} rows */
  resize(cols, rows) {
    this.size = { cols, rows };
    this.#say({ resize: this.size });
  }

  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
  }
}
