// The words for what the picture shows, shared by its forms.
import { h, stateMark } from '../dom.js';
import { size } from '../units.js';

/** @import { Container, Layer, Slab } from '../model.js' */

/** @typedef {{ kind: 'layer', slab: Slab } | { kind: 'image', image: import('../model.js').Image } | { kind: 'container', container: Container } | { kind: 'volume', name: string } | { kind: 'network', name: string }} Thing */

/** @param {Slab} s */
export function slabName(s) {
  return s.layers.length > 1 ? `${s.layers.length} small layers` : s.top.name;
}

/** @param {Slab} s */
export function slabLabel(s) {
  const shared = s.top.shared > 1 ? `, shared by ${s.top.shared} images` : '';
  return `${s.layers.length > 1 ? `${s.layers.length} small layers` : `Layer ${s.top.name}`}, ${size(s.size)}${shared}`;
}

/** @param {Container} c */
export function stateWords(c) {
  switch (c.state) {
    case 'exited':
    case 'failed':
      return c.exitCode === null ? c.status.toLowerCase() : `exit ${c.exitCode}`;
    case 'running': {
      const up = /^Up (?:About )?(.*?)(?: \((.*)\))?$/.exec(c.status);
      return up?.[2] && /health/.test(up[2]) ? `running, ${up[2]}` : 'running';
    }
    case 'changing':
      return c.status.toLowerCase() || 'changing';
    default:
      return c.state;
  }
}

/** @param {Container} c @param {boolean} [words] */
export function state(c, words = true) {
  return h('span.st', { title: c.status }, stateMark(c.state), words ? stateWords(c) : h('span.sr', null, stateWords(c)));
}

/** @param {Container} c */
export function containerLabel(c) {
  const parts = [`Container ${c.name}, ${stateWords(c)}`, `writable layer ${size(c.sizeRw)}`];
  if (c.ports.length) parts.push(`port ${c.ports.join(', ')}`);
  if (c.networks.length) parts.push(`network ${c.networks.join(', ')}`);
  const volumes = c.mounts.filter((m) => m.kind === 'volume');
  if (volumes.length) parts.push(`volume ${volumes.map((v) => v.name).join(', ')}`);
  return parts.join(', ');
}

/** @param {Container} c */
export const stopped = (c) => c.state === 'exited' || c.state === 'failed' || c.state === 'created';

/** @param {Layer} l */
export const shade = (l) => (l.shared > 3 ? 'sh3' : l.shared > 1 ? 'sh' : '');

/** @param {string} name */
export const volumeName = (name) => (/^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name);
