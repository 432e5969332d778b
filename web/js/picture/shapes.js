// The words for what the picture shows, shared by its forms.
import { h, stateMark } from '../dom.js';
import { size } from '../units.js';

/** @import { Container, Layer, Slab } from '../model.js' */

/** @typedef {{ kind: 'layer', slab: Slab } | { kind: 'image', image: import('../model.js').Image } | { kind: 'container', container: Container } | { kind: 'volume', name: string } | { kind: 'network', name: string }} Thing */

/** @param {Slab} s */
export function slabName(s) {
  if (s.layers.length === 1) return s.top.name;
  return `${s.layers.length} ${s.layers.every((l) => l.size < 1e6) ? 'small ' : ''}layers`;
}

/** @param {Slab} s */
export function slabLabel(s) {
  const shared = s.top.shared > 1 ? `, shared by ${s.top.shared}` : '';
  return `${s.layers.length > 1 ? slabName(s) : `Layer ${s.top.name}`}${shared}, ${size(s.size)}`;
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

/** In the order of what is seen. @param {Container} c */
export function containerLabel(c) {
  const mounts = c.mounts.filter((m) => m.kind !== 'tmpfs').map((m) => `${volumeName(m.name)} → ${m.destination}`);
  const parts = [`Container ${c.name}`, stateWords(c), ...c.ports, c.command, ...mounts, 'writable layer', size(c.sizeRw)];
  if (c.networks.length) parts.push(`network ${c.networks.join(', ')}`);
  return parts.filter(Boolean).join(', ');
}

/** @param {Container} c */
export const stopped = (c) => c.state === 'exited' || c.state === 'failed' || c.state === 'created';

/** @param {Layer} l */
export const shade = (l) => (l.shared > 3 ? 'sh3' : l.shared > 1 ? 'sh' : '');

/** @param {string} name */
export const volumeName = (name) => (/^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name);
