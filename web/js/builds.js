// The builds of this tab, step by step: what the cache had, and why not.

/** @import { Host } from './host.js' */
/** @import { Layer, Model } from './model.js' */
/** @import { BuildStep } from './protocol.js' */

/** Builds that are remembered. */
const KEPT = 20;

/** @typedef {BuildStep & { ms: number }} Timed `ms`: since the step before it was done */
/** @typedef {{ number: number, tags: string[], steps: Timed[], at: number }} Build */

const encoder = new TextEncoder();

export class Builds {
  /** The newest last. @type {Build[]} */ all = [];
  /** @type {Map<string, Promise<string>>} */ #chains = new Map();
  /** Told of each step. */ changed = () => {};

  /** @param {Host} host */
  constructor(host) {
    host.on('build-step', (step) => this.#heard(step));
    host.on('state', ({ state }) => {
      if (state === 'starting') this.all = [];
    });
  }

  /** @param {BuildStep} step */
  #heard(step) {
    const now = performance.now();
    let build = this.all.find((b) => b.number === step.build);
    if (!build) {
      build = { number: step.build, tags: step.tags, steps: [], at: now };
      this.all = [...this.all, build].slice(-KEPT);
    }
    build.steps.push({ ...step, ms: build.steps.length ? now - build.at : 0 });
    build.steps.sort((a, b) => a.step - b.step);
    build.at = now;
    this.changed();
  }

  /**
   * A layer's chain ID: its name on those beneath it (OCI image-spec, "Layer ChainID").
   * @param {Layer} layer @returns {Promise<string>} nothing where the browser has no SHA-256
   */
  chain(layer) {
    let id = this.#chains.get(layer.key);
    if (!id) {
      id = layer.parent ? this.chain(layer.parent).then((below) => (below ? sha256(`${below} ${layer.diffId}`) : '')) : Promise.resolve(layer.diffId);
      this.#chains.set(layer.key, id);
    }
    return id;
  }

  /** The layers of a model by chain ID. @param {Model} model */
  async layers(model) {
    const all = [...new Set(model.images.flatMap((i) => i.layers))];
    const ids = await Promise.all(all.map((l) => this.chain(l)));
    return new Map(all.map((l, i) => [ids[i], l]));
  }

  /** Where in a Dockerfile a layer's instruction is, in words, when it was built in this tab. @param {Layer} layer */
  async line(layer) {
    const chain = await this.chain(layer);
    const step = this.all.toReversed().flatMap((b) => b.steps).find((s) => chain && s.result === chain && s.lines && !/^(\[[^\]]*\]\s*)?FROM\b/i.test(s.name));
    if (!step?.lines) return '';
    const [first, last] = step.lines;
    return first === last ? `Dockerfile line ${first}` : `Dockerfile lines ${first}–${last}`;
  }
}

/** @param {string} text */
async function sha256(text) {
  if (!globalThis.crypto?.subtle) return '';
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
  return `sha256:${[...hash].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}
