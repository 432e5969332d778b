// List: the same as text, one line an image or container, as a treegrid.
import { cylinder, h } from '../dom.js';
import { slab } from '../model.js';
import { size } from '../units.js';
import { slabName, state, stopped, volumeName } from './shapes.js';

/** @import { Container, Image, Layer, Model } from '../model.js' */
/** @import { Thing } from './shapes.js' */

/** @param {Image} image @returns {import('../dom.js').Child[]} */
function madeOf(image) {
  /** @type {Layer[]} */
  const layers = [...image.layers];
  /** @type {import('../dom.js').Child[]} */
  const parts = [];
  while (layers.length) {
    const run = slab(layers[0]);
    layers.splice(0, run.layers.length);
    const text = [slabName(run), run.top.shared > 1 ? h('b', null, ` ×${run.top.shared}`) : null];
    parts.unshift(...text, parts.length ? ', on ' : '');
  }
  return parts.length ? parts : ['no layers'];
}

/** @param {Container} c */
function connectedTo(c) {
  const parts = [];
  if (c.ports.length) parts.push(`port ${c.ports.join(', ')}`);
  if (c.networks.length && !stopped(c)) parts.push(`network ${c.networks.join(' and ')}`);
  for (const m of c.mounts) parts.push(`${m.kind} ${volumeName(m.name)} at ${m.destination}`);
  return parts.join('; ') || 'no port, no volume';
}

/**
 * @param {Model} model
 * @param {{ select: (thing: Thing) => void, selected: string, isNew: (key: string) => number }} view
 */
export function list(model, view) {
  /** @param {string} key @param {Thing} thing @param {number} level @param {any[]} cells */
  const row = (key, thing, level, cells) =>
    h(
      'tr',
      {
        class: [`c${level}`, view.isNew(key) >= 0 ? 'drop' : '', view.selected === key ? 'sel' : ''].join(' '),
        'aria-level': level,
        'aria-selected': String(view.selected === key),
        tabindex: -1,
        dataset: { key },
        onclick: () => view.select(thing),
        onkeydown: (/** @type {KeyboardEvent} */ e) => e.key === 'Enter' && view.select(thing),
      },
      cells,
    );
  /** @param {Container} c */
  const container = (c) =>
    row(`c:${c.id}`, { kind: 'container', container: c }, 2, [
      h('th', { scope: 'row', role: 'rowheader' }, h('span.k.kc', { 'aria-hidden': 'true' }), c.name),
      h('td', { role: 'gridcell' }, state(c)),
      h('td.r.num', { role: 'gridcell' }, size(c.sizeRw)),
      h('td.t2.cut', { role: 'gridcell' }, connectedTo(c)),
    ]);
  const rows = [];
  for (const image of model.images) {
    rows.push(
      row(`i:${image.id}`, { kind: 'image', image }, 1, [
        h('th', { scope: 'row', role: 'rowheader' }, h('span.k.kl', { 'aria-hidden': 'true' }), image.names.join(', ')),
        h('td.t2', { role: 'gridcell' }, 'image'),
        h('td.r.num', { role: 'gridcell' }, size(image.size)),
        h('td.t2.cut', { role: 'gridcell' }, madeOf(image)),
      ]),
      ...image.containers.map(container),
    );
  }
  if (model.homeless.length) {
    rows.push(h('tr.c1', { 'aria-level': 1 }, h('th', { scope: 'row', role: 'rowheader' }, 'image removed'), h('td', { role: 'gridcell' }), h('td', { role: 'gridcell' }), h('td', { role: 'gridcell' })), ...model.homeless.map(container));
  }
  for (const v of model.volumes) {
    rows.push(
      row(`v:${v.name}`, { kind: 'volume', name: v.name }, 1, [
        h('th', { scope: 'row', role: 'rowheader' }, h('span.kv', { 'aria-hidden': 'true' }, cylinder()), volumeName(v.name)),
        h('td.t2', { role: 'gridcell' }, 'volume'),
        h('td.r.num', { role: 'gridcell' }, v.size >= 0 ? size(v.size) : ''),
        h('td.t2.cut', { role: 'gridcell' }, v.containers.length ? `used by ${v.containers.map((c) => c.name).join(', ')}` : 'not used'),
      ]),
    );
  }
  for (const n of model.networks) {
    rows.push(
      row(`n:${n.name}`, { kind: 'network', name: n.name }, 1, [
        h('th', { scope: 'row', role: 'rowheader' }, h('span.netmark', { 'aria-hidden': 'true' }), n.name),
        h('td.t2', { role: 'gridcell' }, 'network'),
        h('td', { role: 'gridcell' }),
        h('td.t2.cut', { role: 'gridcell' }, n.containers.length ? n.containers.map((c) => c.name).join(', ') : 'nothing connected'),
      ]),
    );
  }
  const table = h(
    'table',
    { role: 'treegrid', 'aria-label': 'The host as a list' },
    h('thead', { role: 'rowgroup' }, h('tr', null, ['Name', 'State', 'Size', 'Made of and connected to'].map((t, i) => h('th', { scope: 'col', role: 'columnheader', class: i === 2 ? 'r' : '' }, t)))),
    h('tbody', { role: 'rowgroup' }, rows),
  );
  const first = /** @type {HTMLElement | undefined} */ (rows.find((r) => r.dataset.key === view.selected) ?? rows[0]);
  if (first) first.tabIndex = 0;
  table.addEventListener('keydown', (e) => {
    const all = /** @type {HTMLElement[]} */ ([...table.querySelectorAll('tbody tr')]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined || at < 0 || !all[to]) return;
    e.preventDefault();
    all[at].tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
  });
  return h('div.lst', null, table);
}
