// The Docker host for scripts: window.bottleship on our page, and what bottleship.js gives to others.

/** @import { Host } from './host.js' */
/** @import { Entry, ExecResult, TreeEntry, TreeOf } from './protocol.js' */

/** @param {Host} host */
export function createApi(host) {
  /** @type {Promise<void>} */
  const ready = new Promise((resolve) => {
    host.on('state', ({ state }) => state === 'ready' && resolve());
  });
  const encoder = new TextEncoder();
  return Object.freeze({
    /** Settled when the host's shell answers. */
    ready,
    /**
     * Runs a line in a shell of the Docker host; standard input is empty. With `onOutput`, the output goes there piece
     * by piece as it comes, and `stdout` and `stderr` of the result are empty. When `signal` aborts, the line's
     * processes get SIGTERM; the result then has their exit code.
     * @param {string} line
     * @param {{ onOutput?: (text: string, stream: 'stdout' | 'stderr') => void, signal?: AbortSignal }} [options]
     * @returns {Promise<ExecResult>}
     */
    exec: async (line, { onOutput, signal } = {}) => {
      await ready;
      if (!onOutput) return host.exec(String(line), { signal });
      const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
      const tell = (/** @type {'stdout' | 'stderr'} */ stream, /** @type {string} */ text) => text && onOutput(text, stream);
      const result = await host.exec(String(line), { signal, onPiece: (stream, data) => void tell(stream, decoders[stream].decode(data, { stream: true })) });
      // A character that was begun and never ended.
      for (const stream of /** @type {const} */ (['stdout', 'stderr'])) tell(stream, decoders[stream].decode());
      return result;
    },
    /**
     * Calls `listener` on each event: `state` ({state, message}), `docker` (an event of the Engine API), `build-step`
     * (a BuildStep of protocol.js: what the cache had for the step, and why).
     * @param {'state' | 'docker' | 'build-step'} event @param {(detail: any) => void} listener
     * @returns {() => void} ends it
     */
    on: (event, listener) => host.on(event, listener),
    /** Bytes of memory that the engine has taken from the browser (it never gives any back), and those in use. @returns {Promise<{ bytes: number, used: number }>} */
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
    /** What is in layers, images and containers; paths are absolute and taken literally, no link is followed. */
    tree: Object.freeze({
      /**
       * A directory's entries, by name.
       * @param {TreeOf} of @param {string} path @param {{ max?: number }} [options] at most 10 000
       * @returns {Promise<{ entries: TreeEntry[], more: boolean }>}
       */
      list: async (of, path, { max = 1000 } = {}) => (await ready, host.call('treeList', of, path, max)),
      /**
       * The beginning of a regular file, and its size in bytes.
       * @param {TreeOf} of @param {string} path @param {{ max?: number }} [options] at most 16 MiB
       * @returns {Promise<{ data: Uint8Array, size: number }>}
       */
      readFile: async (of, path, { max = 1 << 20 } = {}) => (await ready, host.call('treeRead', of, path, max)),
    }),
    /**
     * One request of the Docker Engine API.
     * @param {string} method @param {string} path
     * @param {{ headers?: [string, string][], body?: Uint8Array<ArrayBuffer> | null, signal?: AbortSignal }} [options]
     */
    api: async (method, path, options) => (await ready, host.api(method, path, options)),
    /** Everything stored, as one archive. @returns {Promise<Uint8Array>} */
    export: async () => (await ready, host.call('export')),
  });
}
