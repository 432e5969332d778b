// The words for what the picture shows, shared by its forms.
import { cylinder, h, icon, stateMark } from '../dom.js';
import { size } from '../units.js';

/** @import { Container, Layer, Slab } from '../model.js' */

/** @typedef {{ kind: 'layer', slab: Slab } | { kind: 'image', image: import('../model.js').Image } | { kind: 'container', container: Container } | { kind: 'volume', name: string } | { kind: 'network', name: string } | { kind: 'fold', fold: import('../model.js').Fold } | { kind: 'pull', name: string }} Thing */

/**
 * How a form of the picture draws; the pane listens to what is pressed.
 * @typedef {object} View
 * @property {Map<string, Thing>} things what is drawn, by key
 * @property {string} opened key of what is open
 * @property {Set<string>} chosen keys of what is selected
 * @property {Set<string>} path keys of the layers under what is open
 * @property {Set<string>} expanded keys of a list's rows whose layers are shown
 * @property {string} roving key of the list's row that Tab reaches
 */

/**
 * The attributes of something that can be pressed.
 * @param {View} view @param {string} key @param {Thing} thing @param {string} label @param {string} [classes]
 */
export function pressable(view, key, thing, label, classes = '') {
  view.things.set(key, thing);
  const marks = [view.opened === key ? 'sel' : '', view.chosen.has(key) ? 'chosen' : '', view.path.has(key) ? 'path' : ''];
  return { class: [classes, ...marks].filter(Boolean).join(' '), dataset: { key }, 'aria-label': view.chosen.has(key) ? `${label}, selected` : label, 'aria-pressed': String(view.opened === key) };
}

/** Images that are not drawn, as one line. @param {View} view @param {import('../model.js').Fold} fold */
export function foldButton(view, fold) {
  return h('button.rs.one.fold', pressable(view, fold.key, { kind: 'fold', fold }, `${fold.name}, ${size(fold.size)}, show them`), icon('right', 12), h('span.nm', null, fold.name), ' ', h('span.sz', null, size(fold.size)));
}

/** Volumes that no container uses. @param {View} view @param {import('../model.js').Model} model */
export function unusedVolumes(view, model) {
  const unused = model.volumes.filter((v) => !v.containers.length);
  if (!unused.length) return null;
  return h(
    'div.shelf',
    { role: 'group', 'aria-label': 'Volumes that no container uses' },
    unused.map((v) => h('button.volbox', pressable(view, `v:${v.name}`, { kind: 'volume', name: v.name }, `Volume ${volumeName(v.name)}${v.size >= 0 ? `, ${size(v.size)}` : ''}, not used`), cylinder(), h('b', null, volumeName(v.name)), ' ', v.size >= 0 ? h('span.num', null, size(v.size)) : null)),
  );
}
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
