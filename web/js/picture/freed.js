// What a command would give back, before it is run.

/** @import { Image, Layer, Model } from '../model.js' */

/** Bytes of the layers that stand only under these images. @param {Iterable<Image>} images */
export function onlyUnder(images) {
  /** @type {Map<Layer, number>} */
  const counts = new Map();
  for (const layer of [...new Set(images)].flatMap((i) => i.layers)) counts.set(layer, (counts.get(layer) ?? 0) + 1);
  let bytes = 0;
  for (const [layer, n] of counts) if (n >= layer.shared) bytes += layer.size;
  return bytes;
}

const ANONYMOUS = /^[0-9a-f]{64}$/;

/**
 * @typedef {{ command: string, what: string, names: string[], bytes: number }} Offer
 * @param {Model} m
 * @returns {Offer[]} what Docker's prune commands would remove now
 */
export function prunes(m) {
  const ended = m.containers.filter((c) => c.state === 'exited' || c.state === 'failed' || c.state === 'created');
  const left = new Set(m.containers.filter((c) => !ended.includes(c)).map((c) => c.imageId));
  const dangling = m.images.filter((i) => i.names[0] === '<none>' && !i.containers.length);
  const unused = m.images.filter((i) => !i.containers.length);
  const unusedAfter = m.images.filter((i) => !left.has(i.id));
  const anonymous = m.volumes.filter((v) => !v.containers.length && ANONYMOUS.test(v.name));
  const networks = m.networks.filter((n) => !['bridge', 'host', 'none'].includes(n.name) && !m.containers.some((c) => !ended.includes(c) && c.networks.includes(n.name)));
  const name = (/** @type {Image} */ i) => (i.names[0] === '<none>' ? i.id.slice(7, 19) : i.names[0]);
  const writable = ended.reduce((n, c) => n + c.sizeRw, 0);
  const plural = (/** @type {number} */ n, /** @type {string} */ what) => `${n} ${what}${n === 1 ? '' : 's'}`;
  return [
    { command: 'docker container prune', what: plural(ended.length, 'stopped container'), names: ended.map((c) => c.name), bytes: writable },
    { command: 'docker image prune', what: plural(dangling.length, 'image') + ' without a name', names: dangling.map(name), bytes: onlyUnder(dangling) },
    { command: 'docker image prune -a', what: plural(unused.length, 'image') + ' that no container uses', names: unused.map(name), bytes: onlyUnder(unused) },
    { command: 'docker volume prune', what: plural(anonymous.length, 'unused volume') + ' without a name', names: anonymous.map((v) => v.name.slice(0, 12)), bytes: anonymous.reduce((n, v) => n + Math.max(0, v.size), 0) },
    { command: 'docker system prune -a', what: [plural(ended.length, 'stopped container'), plural(networks.length, 'unused network'), plural(unusedAfter.length, 'image')].join(', '), names: [...ended.map((c) => c.name), ...networks.map((n) => n.name), ...unusedAfter.map(name)], bytes: writable + onlyUnder(unusedAfter) },
  ];
}
