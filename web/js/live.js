// Keeps the picture's model up to date: asks the Engine API, then again whenever its event stream speaks.
import { ApiError } from './host.js';
import { build } from './model.js';

/** @import { Host } from './host.js' */
/** @import { ImageDetail, Model } from './model.js' */

/** A build makes hundreds of events: between two refreshes the page rests as long as the last one took, in these bounds (ms). */
const REST = [10, 150];
/** A container writes without an event: sizes are asked for once the terminals have been quiet for so long, in ms. */
const QUIET = 300;

/** @typedef {'images' | 'containers' | 'networks' | 'volumes'} Kind */
/** @type {Kind[]} */
const KINDS = ['images', 'containers', 'networks', 'volumes'];

/** What an event may have changed, by its type. @type {Record<string, Kind[]>} */
const TOUCHES = { image: ['images', 'containers'], container: ['containers', 'networks', 'volumes'], network: ['networks', 'containers'], volume: ['volumes', 'containers'], builder: [] };
const PATHS = { images: '/images/json', containers: '/containers/json?all=1&size=1', networks: '/networks', volumes: '/volumes' };

export class Live {
  /** @type {Model | null} */ model = null;
  /** @type {Error | null} */ error = null;
  /** @type {Map<string, ImageDetail>} */ #details = new Map();
  #host;
  #changed;
  /** @type {Set<() => void>} */ #listeners = new Set();
  /** @type {Set<Kind>} */ #dirty = new Set();
  /** What was said last, by kind. @type {Record<Kind, any>} */ #said = { images: [], containers: [], networks: [], volumes: [] };
  #quiet = 0;
  /** When the oldest event came that is not drawn yet. */ #since = 0;
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
              const event = JSON.parse(line);
              this.refresh(TOUCHES[event.Type] ?? KINDS);
              this.#host.emit('docker', event);
            } catch {
              console.warn('an event that is not JSON was left out');
            }
          }
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
    this.#details.clear();
    clearTimeout(this.#quiet);
  }

  /** A terminal spoke: what containers wrote is asked for once all is quiet. */
  touched() {
    clearTimeout(this.#quiet);
    if (this.model?.containers.some((c) => c.state === 'running')) this.#quiet = window.setTimeout(() => this.refresh(['containers']), QUIET);
  }

  /** Asks again soon. @param {Kind[]} [kinds] */
  refresh(kinds = KINDS) {
    if (!kinds.length) return;
    if (!this.#dirty.size) this.#since = performance.now();
    for (const kind of kinds) this.#dirty.add(kind);
    if (this.#busy) return;
    this.#busy = true;
    void (async () => {
      while (this.#dirty.size && this.#stream) {
        const [stream, since, began] = [this.#stream, this.#since, performance.now()];
        const asked = [...this.#dirty];
        this.#dirty.clear();
        try {
          const model = await this.#fetch(asked);
          if (this.#stream !== stream) continue;
          this.model = model;
          this.error = null;
        } catch (error) {
          if (this.#stream !== stream) continue;
          this.error = /** @type {Error} */ (error);
        }
        this.#changed();
        for (const listener of this.#listeners) listener();
        // For measuring how long after an event the picture shows it.
        performance.clearMeasures('bottleship:picture');
        performance.measure('bottleship:picture', { start: since });
        await new Promise((resolve) => setTimeout(resolve, Math.min(REST[1], Math.max(REST[0], performance.now() - began))));
      }
      this.#busy = false;
    })();
  }

  /** @param {Kind[]} kinds */
  async #fetch(kinds) {
    const host = this.#host;
    const answers = await Promise.all(kinds.map((kind) => host.json(PATHS[kind])));
    kinds.forEach((kind, i) => (this.#said[kind] = kind === 'volumes' ? (answers[i].Volumes ?? []) : answers[i]));
    const { images, containers, networks, volumes } = this.#said;
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
    return build({ images, details: this.#details, containers, networks, volumes });
  }

  /** An image's history, top first. @param {string} id */
  detail(id) {
    return this.#details.get(id);
  }
}
