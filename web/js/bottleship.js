// window.bottleship: the Docker host for scripts on the page.

/** @import { Host } from './host.js' */
/** @import { Entry, ExecResult } from './protocol.js' */

/**
 * @param {Host} host
 * @param {{ reset: () => Promise<boolean>, terminal: { type: (command: string, options?: { run?: boolean }) => void, text: () => string } }} page
 */
export function createApi(host, page) {
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    host.on('state', ({ state }) => state === 'ready' && resolve());
  });
  const encoder = new TextEncoder();
  return Object.freeze({
    /** Settled when the host's shell answers. */
    ready,
    /**
     * Runs a line in a shell of the Docker host; standard input is empty.
     * @param {string} line @returns {Promise<ExecResult>}
     */
    exec: async (line) => {
      await ready;
      return host.call('exec', String(line));
    },
    /**
     * Calls `listener` on each event: `state` ({state, message}), `docker` (an event of the Engine API).
     * @param {'state' | 'docker'} event @param {(detail: any) => void} listener
     * @returns {() => void} ends it
     */
    on: (event, listener) => host.on(event, listener),
    /** Bytes of memory that the engine has taken from the browser. @returns {Promise<number>} */
    memory: async () => (await ready, host.call('memory')),
    /** The host's files; paths are absolute. */
    fs: Object.freeze({
      /** @param {string} path @returns {Promise<Uint8Array>} */
      readFile: async (path) => (await ready, host.call('readFile', path)),
      /** @param {string} path @param {Uint8Array | string} data */
      writeFile: async (path, data) => {
        await ready;
        // A copy: the buffer is handed to the worker.
        await host.call('writeFile', path, typeof data === 'string' ? encoder.encode(data) : data.slice());
      },
      /** @param {string} path @returns {Promise<Entry[]>} */
      list: async (path) => (await ready, host.call('list', path)),
    }),
    /**
     * One request of the Docker Engine API.
     * @param {string} method @param {string} path
     * @param {{ headers?: [string, string][], body?: Uint8Array<ArrayBuffer> | null, signal?: AbortSignal }} [options]
     */
    api: async (method, path, options) => (await ready, host.api(method, path, options)),
    /** Empties the host, after asking. @returns {Promise<boolean>} whether it was done */
    reset: () => page.reset(),
    /** Everything stored, as one archive. @returns {Promise<Uint8Array>} */
    export: async () => (await ready, host.call('export')),
    /** The terminal in front. */
    terminal: page.terminal,
  });
}
