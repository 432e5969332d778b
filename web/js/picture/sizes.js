// Sizes: what docker images adds up to, what is counted more than once, what is on disk.
import { h } from '../dom.js';
import { count, size } from '../units.js';
import { prunes } from './freed.js';
import { stopped } from './shapes.js';

/** @import { Model } from '../model.js' */

/** @param {Model} m @param {(command: string) => void} type types a command into the terminal, without running it */
export function sizes(m, type) {
  if (!m.images.length) return h('div.host', null, h('p.blank', null, 'Nothing is on disk yet. Pull or build an image and it is measured here.'));
  /** @type {Set<import('../model.js').Layer>} */
  const all = new Set(m.images.flatMap((i) => i.layers));
  let shared = 0;
  for (const l of all) if (l.shared > 1) shared += l.size;
  const summed = m.images.reduce((n, i) => n + i.layers.reduce((s, l) => s + l.size, 0), 0);
  const own = m.layersSize - shared;
  const largest = Math.max(1, ...m.images.map((i) => i.layers.reduce((s, l) => s + l.size, 0)));
  const rows = m.images
    .map((image) => {
      const total = image.layers.reduce((s, l) => s + l.size, 0);
      const unique = image.layers.reduce((s, l) => s + (l.shared > 1 ? 0 : l.size), 0);
      return { image, total, unique };
    })
    .sort((a, b) => b.total - a.total)
    .map(({ image, total, unique }) =>
      h(
        'tr',
        null,
        h('th', { scope: 'row' }, image.names[0]),
        h('td.r.num', null, size(total)),
        h('td.r.num', null, size(total - unique)),
        h('td.r.num.b', null, size(unique)),
        h(
          'td.wide',
          null,
          h(
            'span.sb',
            { 'aria-hidden': 'true' },
            total > unique ? h('i.a', { style: { width: `${(100 * (total - unique)) / largest}%` } }) : null,
            unique ? h('i.b2', { style: { width: `${(100 * unique) / largest}%` } }) : null,
          ),
        ),
        h('td.t2', null, image.containers.length ? image.containers.map((c) => (stopped(c) ? `${c.name} (stopped)` : c.name)).join(', ') : h('span.dim', null, 'nothing')),
      ),
    );
  const writable = m.containers.reduce((s, c) => s + c.sizeRw, 0);
  const measured = m.volumes.filter((v) => v.size >= 0);
  return h(
    'div.sizes',
    null,
    h(
      'div.sz0',
      null,
      h(
        'div.eq',
        null,
        h('div', null, h('b.num', null, size(summed)), h('span', null, 'what docker images adds up to')),
        h('i', null, '−'),
        h('div', null, h('b.num', null, size(summed - m.layersSize)), h('span', null, 'counted more than once')),
        h('i', null, '='),
        h('div', null, h('b.num', null, size(m.layersSize)), h('span', null, 'on disk')),
      ),
      h(
        'div.bar1',
        { role: 'img', 'aria-label': `On disk: ${size(shared)} in shared layers, ${size(own)} in layers of one image` },
        shared ? h('span.a', { style: { flex: shared } }, `${size(shared)} in layers that several images share`) : null,
        own ? h('span.b2', { style: { flex: own } }, `${size(own)} in layers of one image`) : null,
      ),
    ),
    h(
      'div.tw2',
      { tabindex: 0, role: 'region', 'aria-label': 'Sizes of the images' },
      h(
        'table',
        null,
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Image'), h('th.r', { scope: 'col' }, 'Size'), h('th.r', { scope: 'col' }, 'Shared'), h('th.r', { scope: 'col' }, 'Unique ', h('span.dim', null, '(freed by rmi)')), h('th.wide', { scope: 'col' }, h('span.sr', null, 'Shared and unique, drawn')), h('th', { scope: 'col' }, 'Used by'))),
        h('tbody', null, rows),
      ),
    ),
    h(
      'div.tw2.freed',
      { tabindex: 0, role: 'region', 'aria-label': 'What can be given back' },
      h('h2', null, 'What would go, before it is gone'),
      h(
        'table',
        null,
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Command'), h('th', { scope: 'col' }, 'Removes'), h('th.r', { scope: 'col' }, 'Frees'))),
        h('tbody', null, prunes(m).map((o) => h('tr', null, h('th', { scope: 'row' }, h('button.btn.sm.cmd', { title: 'Types this into the terminal', onclick: () => type(o.command) }, h('code', null, o.command))), h('td.t2', { title: o.names.join(', ') }, o.what, o.names.length ? h('span.dim', null, `: ${o.names.slice(0, 4).join(', ')}${o.names.length > 4 ? ' …' : ''}`) : null), h('td.r.num.b', null, size(o.bytes))))),
      ),
    ),
    h(
      'div.foot',
      null,
      h(
        'span',
        null,
        `Beside the images: ${count(m.containers.length, 'writable layer')} ${m.containers.length === 1 ? 'holds' : 'hold'} ${size(writable)}`,
        measured.length ? `, ${count(measured.length, 'volume')} ${measured.length === 1 ? 'holds' : 'hold'} ${size(measured.reduce((s, v) => s + v.size, 0))}` : '',
        '. ',
        h('code', null, 'docker system df -v'),
        ' says the same.',
      ),
    ),
  );
}
