// Keeps the picture's model up to date: asks the Engine API, then again whenever its event stream speaks.
import { ApiError } from './host.js';
import { build } from './model.js';

/** @import { Host } from './host.js' */
/** @import { ImageDetail, Model } from './model.js' */

/** At most one refresh in this many ms: a build makes hundreds of events. */
const REFRESH_MS = 80;

export class Live {
  /** @type {Model | null} */ model = null;
  /** @type {Error | null} */ error = null;
  /** @type {Map<string, ImageDetail>} */ #details = new Map();
  #host;
  #changed;
  /** @type {Set<() => void>} */ #listeners = new Set();
  #dirty = false;
  #busy = false;
  /** @type {AbortController | null} */ #stream = null;

  /** @param {Host} host @param {() => void} changed */
  constructor(host, changed) {
    this.#host = host;
    this.#changed = changed;
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** Follows the host from now on. */
  start() {
    this.stop();
    const stream = new AbortController();
    this.#stream = stream;
    let rest = '';
    const decoder = new TextDecoder();
    this.#host
      .api('GET', '/events', {
        signal: stream.signal,
        onChunk: (data) => {
          const lines = (rest + decoder.decode(data, { stream: true })).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            if (!line.trim()) continue;
            try {
              this.#host.emit('docker', JSON.parse(line));
            } catch {
              console.warn('an event that is not JSON was left out');
            }
          }
          this.refresh();
        },
      })
      .catch((error) => {
        if (!stream.signal.aborted) console.warn(`the event stream ended: ${error.message}`);
      });
    this.refresh();
  }

  stop() {
    this.#stream?.abort();
    this.#stream = null;
    this.model = null;
    this.error = null;
  }

  /** Asks again soon. */
  refresh() {
    this.#dirty = true;
    if (this.#busy) return;
    this.#busy = true;
    void (async () => {
      while (this.#dirty && this.#stream) {
        this.#dirty = false;
        const stream = this.#stream;
        try {
          const model = await this.#fetch();
          if (this.#stream !== stream) continue;
          this.model = model;
          this.error = null;
        } catch (error) {
          if (this.#stream !== stream) continue;
          this.error = /** @type {Error} */ (error);
        }
        this.#changed();
        for (const listener of this.#listeners) listener();
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
      this.#busy = false;
    })();
  }

  async #fetch() {
    const host = this.#host;
    const [images, containers, networks, volumes] = await Promise.all([
      host.json('/images/json'),
      host.json('/containers/json?all=1&size=1'),
      host.json('/networks'),
      host.json('/volumes'),
    ]);
    const ids = images.map((/** @type {{ Id: string }} */ i) => i.Id);
    await Promise.all(
      ids.filter((/** @type {string} */ id) => !this.#details.has(id)).map(async (/** @type {string} */ id) => {
        try {
          const [inspect, history] = await Promise.all([host.json(`/images/${id}/json`), host.json(`/images/${id}/history`)]);
          this.#details.set(id, { layers: inspect.RootFS?.Layers ?? [], history });
        } catch (error) {
          // Removed since the list was made: its event asks for a new one.
          if (!(error instanceof ApiError) || error.status !== 404) throw error;
        }
      }),
    );
    for (const id of this.#details.keys()) if (!ids.includes(id)) this.#details.delete(id);
    return build({ images, details: this.#details, containers, networks, volumes: volumes.Volumes ?? [] });
  }

  /** An image's history, top first. @param {string} id */
  detail(id) {
    return this.#details.get(id);
  }
}
