// List: the same as text, one line an image or container, as a treegrid.
import { cylinder, h } from '../dom.js';
import { slab } from '../model.js';
import { size } from '../units.js';
import { slabName, state, stopped, volumeName } from './shapes.js';

/** @import { Container, Image, Layer, Model } from '../model.js' */
/** @import { Thing, View } from './shapes.js' */

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

/** @param {Model} model @param {View} view */
export function list(model, view) {
  /** @param {string} key @param {Thing} thing @param {number} level @param {any[]} cells @param {boolean} [expanded] */
  const row = (key, thing, level, cells, expanded) => {
    view.things.set(key, thing);
    return h(
      'tr',
      {
        class: [`c${level}`, view.opened === key ? 'sel' : '', view.chosen.has(key) ? 'chosen' : ''].filter(Boolean).join(' '),
        'aria-level': level,
        'aria-expanded': expanded === undefined ? null : String(expanded),
        'aria-selected': String(view.chosen.has(key) || view.opened === key),
        tabindex: -1,
        dataset: { key },
      },
      cells,
    );
  };
  /** @param {Container} c */
  const container = (c) =>
    row(`c:${c.id}`, { kind: 'container', container: c }, 2, [
      h('th', { scope: 'row', role: 'rowheader' }, h('span.k.kc', { 'aria-hidden': 'true' }), c.name),
      h('td', { role: 'gridcell' }, state(c)),
      h('td.r.num', { role: 'gridcell' }, size(c.sizeRw)),
      h('td.t2.cut', { role: 'gridcell' }, connectedTo(c)),
    ]);
  /** @param {Layer} l @param {Image} image */
  const layerRow = (l, image) =>
    row(`l:${l.key} ${image.id}`, { kind: 'layer', slab: { layers: [l], size: l.size, top: l } }, 2, [
      h('th', { scope: 'row', role: 'rowheader' }, h('span.k.ks', { 'aria-hidden': 'true' }), h('span.cut', null, l.name)),
      h('td.t2', { role: 'gridcell' }, `layer ${image.layers.indexOf(l) + 1} of ${image.layers.length}`),
      h('td.r.num', { role: 'gridcell' }, size(l.size)),
      h('td.t2.cut', { role: 'gridcell' }, l.shared > 1 ? h('b', null, `×${l.shared} `) : null, l.createdBy),
    ]);
  const rows = [];
  for (const image of model.images) {
    const key = `i:${image.id}`;
    const open = view.expanded.has(key);
    rows.push(
      row(
        key,
        { kind: 'image', image },
        1,
        [
          h('th', { scope: 'row', role: 'rowheader' }, h('span.k.kl', { 'aria-hidden': 'true' }), image.names.join(', ')),
          h('td.t2', { role: 'gridcell' }, 'image'),
          h('td.r.num', { role: 'gridcell' }, size(image.size)),
          h('td.t2.cut', { role: 'gridcell' }, madeOf(image)),
        ],
        image.layers.length ? open : undefined,
      ),
      ...image.containers.map(container),
      ...(open ? image.layers.toReversed().map((l) => layerRow(l, image)) : []),
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
  const first = /** @type {HTMLElement | undefined} */ (rows.find((r) => r.dataset.key === view.roving) ?? rows[0]);
  if (first) first.tabIndex = 0;
  return h('div.lst', null, table);
}
