// Folding: of many images those stay in sight that containers stand on; the rest of a family is one line.

import { onlyUnder } from './freed.js';

/** @import { Fold, Image, Layer, Model } from '../model.js' */

/** From so many images on, what nobody uses is folded unless someone wants to see all. */
export const MANY = 12;
/** Fewer are drawn rather than folded. */
const WORTH = 3;

/**
 * The model without what is folded.
 * @param {Model} model
 * @param {{ opened: Set<string>, wanted: (image: Image) => boolean }} view
 *   `opened`: keys of folds that someone opened. `wanted`: images to draw in any case, such as a search's hits.
 * @returns {Model}
 */
export function fold(model, { opened, wanted }) {
  /** @type {Map<string, Fold>} */
  const folds = new Map();
  /** @type {Set<Image>} */
  const hidden = new Set();
  /** @param {string} key @param {string} name @param {Image[]} images */
  const put = (key, name, images) => {
    if (images.length < WORTH || opened.has(key)) return;
    folds.set(key, { key, name, images, size: onlyUnder(images) });
    for (const i of images) hidden.add(i);
  };
  const idle = (/** @type {Image} */ i) => !i.containers.length && !wanted(i);
  /** @type {Image[]} */
  const alone = [];
  for (const base of model.bases) {
    const family = model.images.filter((i) => i.layers[0] === base);
    const quiet = family.filter(idle);
    if (family.length === 1) alone.push(...quiet);
    else put(`f:${base.key}`, `${quiet.length} more images`, quiet);
  }
  put('f:', `${alone.length} images that share nothing`, alone);
  if (!folds.size) return model;

  /** @param {Layer} layer @param {Layer | null} parent @returns {Layer | null} */
  const prune = (layer, parent) => {
    /** @type {Layer} */
    const copy = { ...layer, parent, images: layer.images.filter((i) => !hidden.has(i)), children: [] };
    for (const child of layer.children) {
      const kept = prune(child, copy);
      if (kept) copy.children.push(kept);
    }
    if (!parent) copy.fold = folds.get(`f:${layer.key}`);
    return copy.images.length || copy.children.length || copy.fold ? copy : null;
  };
  return {
    ...model,
    bases: model.bases.map((b) => prune(b, null)).filter((b) => b !== null),
    images: model.images.filter((i) => !hidden.has(i)),
    fold: folds.get('f:'),
  };
}
