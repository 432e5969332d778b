// What a command changed, in words: one status for a screen reader instead of a list again.
import { count, size } from '../units.js';
import { stateWords, volumeName } from './shapes.js';

/** @import { Container, Layer, Model } from '../model.js' */

/** More than this is summed up. */
const MOST = 3;
/** Networks that are always there, though not always drawn. */
const GIVEN = new Set(['bridge', 'host', 'none']);

/** @param {Model} m */
const layersOf = (m) => new Map(m.images.flatMap((i) => i.layers.map((l) => /** @type {[string, Layer]} */ ([l.key, l]))));

/**
 * Keys of what is in a picture of the model, in the order in which it settles: layers bottom up, then what stands on them.
 * @param {Model} m
 */
export function keysOf(m) {
  const keys = m.images.flatMap((i) => [...i.layers.map((l) => `l:${l.key}`), `i:${i.id}`]);
  return [...new Set([...keys, ...m.containers.map((c) => `c:${c.id}`), ...m.volumes.map((v) => `v:${v.name}`), ...m.networks.map((n) => `n:${n.name}`)])];
}

/** Layers that were there and carry an image that is new. @param {Model} before @param {Model} after */
export function foundAgain(before, after) {
  const known = layersOf(before);
  const ids = new Set(before.images.map((i) => i.id));
  return after.images.filter((i) => !ids.has(i.id)).flatMap((i) => i.layers.filter((l) => known.has(l.key)).map((l) => `l:${l.key}`));
}

/** Containers that wrote something. @param {Model} before @param {Model} after */
export function wrote(before, after) {
  const sizes = new Map(before.containers.map((c) => [c.id, c.sizeRw]));
  return after.containers.filter((c) => c.sizeRw > (sizes.get(c.id) ?? c.sizeRw));
}

/** @param {Container} c */
const how = (c) => (c.state === 'exited' || c.state === 'failed' ? `has ended, ${stateWords(c)}` : `is ${stateWords(c)}`);

/**
 * @param {Model} before @param {Model} after
 * @param {Set<string>} actions what Docker said it did to images: `pull`, `tag`, `build` …
 * @returns {string} nothing when nothing is worth a word
 */
export function describe(before, after, actions) {
  const said = [];
  const old = layersOf(before);
  const now = layersOf(after);
  const images = new Map(before.images.map((i) => [i.id, i]));
  /** @type {Set<string>} */
  const told = new Set();
  for (const image of after.images) {
    const was = images.get(image.id);
    const name = image.names[0] === '<none>' ? 'an image' : image.names[0];
    if (!was) {
      const fresh = image.layers.filter((l) => !old.has(l.key) && !told.has(l.key));
      for (const l of fresh) told.add(l.key);
      const here = image.layers.length - fresh.length;
      const verb = actions.has('pull') ? 'Pulled' : actions.has('load') || actions.has('import') ? 'Loaded' : 'Made';
      said.push(`${verb} ${name}: ${count(fresh.length, 'new layer')}, ${size(fresh.reduce((n, l) => n + l.size, 0))}${here ? `; ${here} already here` : ''}.`);
    } else {
      for (const tag of image.names) if (!was.names.includes(tag) && tag !== '<none>') said.push(`${tag} is a name of an image that was here.`);
      for (const tag of was.names) if (!image.names.includes(tag) && tag !== '<none>' && !after.images.some((i) => i.names.includes(tag))) said.push(`The name ${tag} is gone.`);
    }
  }
  const left = new Set(after.images.map((i) => i.id));
  for (const image of before.images) {
    if (left.has(image.id)) continue;
    const freed = image.layers.filter((l) => !now.has(l.key)).reduce((n, l) => n + l.size, 0);
    said.push(`Removed ${image.names[0] === '<none>' ? 'an image' : image.names[0]}: ${size(freed)} freed.`);
  }
  const containers = new Map(before.containers.map((c) => [c.id, c]));
  for (const c of after.containers) {
    const was = containers.get(c.id);
    if (!was || was.state !== c.state) said.push(`Container ${c.name} ${how(c)}.`);
    else if (was.name !== c.name) said.push(`Container ${was.name} is now ${c.name}.`);
    containers.delete(c.id);
  }
  for (const c of containers.values()) said.push(`Container ${c.name} is removed.`);
  for (const [kind, was, is] of /** @type {const} */ ([['Volume', before.volumes, after.volumes], ['Network', before.networks, after.networks]])) {
    const names = (/** @type {readonly { name: string }[]} */ all) => new Set(all.map((x) => x.name));
    for (const n of names(is)) if (!names(was).has(n) && !GIVEN.has(n)) said.push(`${kind} ${volumeName(n)} is there.`);
    for (const n of names(was)) if (!names(is).has(n) && !GIVEN.has(n)) said.push(`${kind} ${volumeName(n)} is gone.`);
  }
  return said.length > MOST ? `${said.slice(0, MOST).join(' ')} And ${count(said.length - MOST, 'more change')}.` : said.join(' ');
}
