// Rows: the same tree on its side, for more than stacks can show. Base left, then image, writable layer, container,
// port, networks, volume; one line reads as a sentence.
import { cylinder, h } from '../dom.js';
import { slab } from '../model.js';
import { size } from '../units.js';
import { containerLabel, foldButton, pressable, shade, slabLabel, slabName, state, stopped, unusedVolumes, volumeName } from './shapes.js';

/** @import { Container, Image, Layer, Model } from '../model.js' */
/** @import { View } from './shapes.js' */

/** The picture must be this wide, in px, to hold the columns. */
export const MIN_WIDTH = 900;
/** What the columns right of the layers take, without networks. */
const COLUMNS = 206 + 222 + 96 + 104 + 40;
const NETWORK = 36;
const MAX_NETWORKS = 6;

/** How wide a slab must be to show its name and size, in px. @param {string} name @param {boolean} oneLine @param {string} bytes */
const slabWidth = (name, oneLine, bytes) => Math.min(oneLine ? 230 : 160, Math.max(78, Math.round((oneLine ? name.length + bytes.length + 2 : Math.max(name.length, bytes.length + 3)) * 6.6 + 22)));

/** Widest chain of slabs. @param {Layer} layer @param {number} small @returns {number} */
function depthWidth(layer, small) {
  const run = slab(layer, small);
  const own = slabWidth(slabName(run), rowCount(run.top) === 1, size(run.size)) + 2;
  return own + Math.max(0, ...run.top.children.map((c) => depthWidth(c, small)));
}

/** @param {Image} i */
const imageRows = (i) => Math.max(1, i.containers.length);
/** @param {Layer} layer @returns {number} */
const rowCount = (layer) => layer.images.reduce((n, i) => n + imageRows(i), 0) + layer.children.reduce((n, c) => n + rowCount(c), 0) + (layer.fold ? 1 : 0);

/**
 * @param {Model} model
 * @param {View} view
 * @param {number} width of the picture, in px
 */
export function rows(model, view, width) {
  const networks = model.networks.filter((n) => n.containers.length).slice(0, MAX_NETWORKS);
  const room = width - COLUMNS - networks.length * NETWORK;
  // The longer the chains, the larger the layers that are joined.
  const small = [1e6, 1e7, 1e8].find((s) => Math.max(0, ...model.bases.map((b) => depthWidth(b, s))) <= room) ?? Infinity;

  // Which rows each network's line spans, in the order of drawing.
  /** @type {(Container | null)[]} */
  const order = [];
  /** @param {Image} i */
  const count = (i) => void (i.containers.length ? order.push(...i.containers) : order.push(null));
  /** @param {Layer} l */
  const walk = (l) => {
    const { top } = slab(l, small);
    top.images.forEach(count);
    top.children.forEach(walk);
    if (top.fold) order.push(null);
  };
  model.bases.forEach(walk);
  model.images.filter((i) => !i.top).forEach(count);
  if (model.fold) order.push(null);
  order.push(...model.homeless);
  const spans = networks.map((n) => {
    const at = order.flatMap((c, i) => (c && n.containers.includes(c) ? [i] : []));
    return { first: at[0], last: at[at.length - 1], hits: new Set(at) };
  });

  let row = 0;
  /** @param {Container | null} c */
  const line = (c) => {
    const at = row++;
    const volumes = c?.mounts.filter((m) => m.kind === 'volume') ?? [];
    return h(
      'div.cr',
      c ? { dataset: { node: `c:${c.id}` } } : null,
      h(
        'div.cC.row',
        null,
        c
          ? h(
              'button.cc',
              pressable(view, `c:${c.id}`, { kind: 'container', container: c }, rowLabel(c), stopped(c) ? 'off' : ''),
              h('span.w.num', null, size(c.sizeRw)),
              ' ',
              h('span.nm', null, c.name),
              ' ',
              state(c),
            )
          : null,
      ),
      h('div.cP.mono.s12.t2.cut', { title: c?.ports.join(' ') }, c?.ports.join(' ')),
      h(
        'div.cN.row',
        { style: { width: `${networks.length * NETWORK}px` } },
        spans.map((s) => h('span.bus', { 'aria-hidden': 'true', class: `${at >= s.first && at <= s.last && s.first !== s.last ? 'on' : ''} ${at === s.first ? 'first' : ''} ${at === s.last ? 'last' : ''} ${s.hits.has(at) ? 'hit' : ''}` })),
      ),
      h('div.cV.cut', null, volumes.map((m) => h('span.vol', { title: `${m.name} at ${m.destination}` }, cylinder(), h('span.cut', null, volumeName(m.name))))),
    );
  };

  /** @param {Image | null} image @param {Container[]} containers */
  const leaf = (image, containers) =>
    h(
      'div.leaf',
      image ? { dataset: { node: `i:${image.id}` } } : null,
      h('span.lead', { 'aria-hidden': 'true' }),
      image
        ? h(
            'button.cT',
            pressable(view, `i:${image.id}`, { kind: 'image', image }, `Image ${image.names[0]}, ${size(image.size)}`, image.names[0] === '<none>' ? 'none' : ''),
            h('span.cut', { title: image.names.join('\n') }, image.names[0]),
            ' ',
            h('span.sz.num', null, size(image.size)),
          )
        : h('span.cT.q', null, h('span.cut', null, 'image removed')),
      h('div.crs', null, containers.length ? containers.map(line) : line(null)),
    );

  /** @param {import('../model.js').Fold} f */
  const folded = (f) => h('div.rn', { dataset: { node: f.key } }, foldButton(view, f), h('div.rk', null, h('div.leaf', null, h('span.lead', { 'aria-hidden': 'true' }), h('span.cT.q', null, 'none in use'), h('div.crs', null, line(null)))));

  /** @param {Layer} layer @returns {HTMLElement} */
  const node = (layer) => {
    const run = slab(layer, small);
    const one = rowCount(run.top) === 1;
    const bytes = size(run.size);
    return h(
      'div.rn',
      { dataset: { node: `l:${run.top.key}` } },
      h(
        'button.rs',
        {
          ...pressable(view, `l:${run.top.key}`, { kind: 'layer', slab: run }, layer.shared > 1 ? `Layer ${slabName(run)}, ${bytes}, ×${layer.shared}` : slabLabel(run), `${one ? 'one' : ''} ${shade(layer)} ${run.layers.length > 1 ? 'notch' : ''}`),
          style: { '--w': `${slabWidth(slabName(run), one, bytes)}px` },
        },
        h('span.nm', { title: run.layers.map((l) => l.createdBy).join('\n') }, slabName(run)),
        ' ',
        h('span.sz', null, bytes, layer.shared > 1 ? [' ', h('span.x', null, `×${layer.shared}`)] : null),
      ),
      h('div.rk', null, run.top.images.map((i) => leaf(i, i.containers)), run.top.children.map(node), run.top.fold ? folded(run.top.fold) : null),
    );
  };

  const families = model.bases.map((b) => h('div.fam', { dataset: { node: `l:${b.key}` } }, node(b)));
  const bare = model.images.filter((i) => !i.top).map((i) => h('div.fam', null, leaf(i, i.containers)));
  const alone = model.fold ? [h('div.fam', null, folded(model.fold))] : [];
  const gone = model.homeless.length ? [h('div.fam', null, leaf(null, model.homeless))] : [];
  return h(
    'div.host.rowsform',
    null,
    h(
      'div.rows',
      null,
      h(
        'div.rhead',
        null,
        h('span.cL', null, 'Layers: the base is on the left, each drawn once'),
        h('span.cT', null, 'Image'),
        h('span.cC', null, 'Container'),
        h('span.cP', null, 'Port'),
        h('span.cN.row', { style: { width: `${networks.length * NETWORK}px` } }, networks.map((n) => h('button.nh.cut', pressable(view, `n:${n.name}`, { kind: 'network', name: n.name }, `Network ${n.name}, ${n.containers.length} connected`), n.name))),
        h('span.cV', null, 'Volume'),
      ),
      families,
      bare,
      alone,
      gone,
      unusedVolumes(view, model),
    ),
  );
}

/** In the order of what is seen in a row. @param {Container} c */
function rowLabel(c) {
  const rest = containerLabel(c).split(', ').slice(1);
  return `${size(c.sizeRw)}, ${c.name}, ${rest[0]}: container, ${rest.slice(1).join(', ')}`;
}
