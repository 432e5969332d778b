// Stacks: layers bottom up, each drawn once, as wide as the number of images that stand on it.
import { cylinder, h } from '../dom.js';
import { columns, imageColumns, slab } from '../model.js';
import { size } from '../units.js';
import { containerLabel, foldButton, pressable, shade, slabLabel, slabName, state, stopped, unusedVolumes, volumeName } from './shapes.js';

/** @import { Container, Image, Layer, Model } from '../model.js' */
/** @import { View } from './shapes.js' */

/** More columns than this are read better as a list. */
export const MAX_COLUMNS = 6;

/** @param {Model} model */
export const stackColumns = (model) =>
  model.bases.reduce((n, b) => n + columns(b), 0) + model.images.filter((i) => !i.top).reduce((n, i) => n + imageColumns(i), 0) + model.homeless.length + (model.fold ? 1 : 0);

/**
 * @param {Model} model @param {View} view
 * @returns {HTMLElement}
 */
export function stacks(model, view) {
  /** @param {Container} c */
  const box = (c) => {
    const volumes = c.mounts.filter((m) => m.kind === 'volume' || m.kind === 'bind');
    return h(
      'button.ctr',
      { ...pressable(view, `c:${c.id}`, { kind: 'container', container: c }, containerLabel(c), stopped(c) ? 'off' : ''), 'data-networks': stopped(c) ? '' : c.networks.join(' ') },
      h('span.hd', null, h('span.cut', null, c.name), ' ', h('span.grow', null), state(c)),
      ' ',
      h('span.pr', null, c.ports.length ? h('b.port', null, c.ports.join(' '), ' ') : null, c.command),
      ' ',
      volumes.length ? h('span.mts', null, volumes.map((m) => h('span.vol', { title: `${m.name} at ${m.destination}` }, m.kind === 'volume' ? cylinder() : null, h('span.cut', null, `${volumeName(m.name)} → ${m.destination}`)))) : null,
      ' ',
      h('span.wl', null, h('span', null, 'writable layer'), ' ', h('span.num', null, size(c.sizeRw))),
    );
  };

  /** @param {Image} image */
  const plate = (image) =>
    h(
      'div.n.col',
      { dataset: { node: `i:${image.id}` }, style: { flex: imageColumns(image), '--lv': imageColumns(image) } },
      h(
        'button.tag',
        pressable(view, `i:${image.id}`, { kind: 'image', image }, `Image ${image.names[0]}${image.names.length > 1 ? `, +${image.names.length - 1}` : ''}, ${size(image.size)}`, image.names[0] === '<none>' ? 'none' : ''),
        h('b.cut', { title: image.names.join('\n') }, image.names[0]),
        ' ',
        image.names.length > 1 ? h('span.s12.t2', null, `+${image.names.length - 1}`) : null,
        ' ',
        h('span.sz.num', null, size(image.size)),
      ),
      image.containers.length ? h('div.ctrs', null, image.containers.map(box)) : null,
    );

  /** @param {import('../model.js').Fold} f */
  const folded = (f) => h('div.n.col', { dataset: { node: f.key }, style: { flex: 1, '--lv': 1 } }, foldButton(view, f));

  /** @param {Layer} layer @returns {HTMLElement} */
  const node = (layer) => {
    const run = slab(layer);
    const width = columns(layer);
    const tall = run.size > 30e6 ? 'h3' : run.size < 1e4 ? 'h1' : 'h2';
    return h(
      'div.n',
      { dataset: { node: `l:${layer.key}` }, style: { flex: width, '--lv': width } },
      h(
        'button.slab',
        pressable(view, `l:${run.top.key}`, { kind: 'layer', slab: run }, slabLabel(run), `${tall} ${shade(layer)} ${run.layers.length > 1 ? 'notch' : ''}`),
        h('span.nm', { title: run.layers.map((l) => l.createdBy).join('\n') }, slabName(run)),
        ' ',
        layer.shared > 1 ? h('span.x', null, `shared by ${layer.shared}`) : null,
        ' ',
        h('span.sz', null, size(run.size)),
      ),
      h('div.kids', null, run.top.images.map(plate), run.top.children.map(node), run.top.fold ? folded(run.top.fold) : null),
    );
  };

  const stage = h(
    'div.stage',
    { role: 'group', 'aria-label': 'Layers, images and containers' },
    model.bases.map(node),
    model.images.filter((i) => !i.top).map(plate),
    model.fold ? folded(model.fold) : null,
    model.homeless.length ? h('div.n.col', { style: { flex: model.homeless.length, '--lv': model.homeless.length } }, h('div.tag.none', null, h('span.cut', null, 'image removed')), h('div.ctrs', null, model.homeless.map(box))) : null,
  );
  const nets = model.networks.map((n) =>
    h(
      'div.net',
      { dataset: { node: `n:${n.name}`, network: n.name } },
      h('button.lb', pressable(view, `n:${n.name}`, { kind: 'network', name: n.name }, `Network ${n.name}, ${n.driver}, ${n.containers.length} connected`), h('span.netmark', { 'aria-hidden': 'true' }), n.name),
      h('span.ln', null),
    ),
  );
  return h(
    'div.host',
    null,
    nets.length ? h('div.nets', null, nets) : null,
    stage,
    unusedVolumes(view, model),
  );
}

/** Draws the stems from each container up to its networks; positions are known only after layout. @param {HTMLElement} host */
export function stems(host) {
  for (const old of host.querySelectorAll('.stem')) old.remove();
  const covered = (host.querySelector('.nets')?.getBoundingClientRect().bottom ?? 0) - 12;
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (host.querySelectorAll('.ctr[data-networks]'))) {
    const names = (box.dataset.networks ?? '').split(' ').filter(Boolean);
    names.forEach((name, i) => {
      const line = host.querySelector(`.net[data-network="${CSS.escape(name)}"] .ln`);
      if (!line) return;
      const { top } = box.getBoundingClientRect();
      const height = top - line.getBoundingClientRect().bottom;
      if (height < 2 || top < covered) return;
      box.append(h('span.stem', { 'aria-hidden': 'true', 'data-decor': '', style: { height: `${height}px`, left: `${(100 * (i + 1)) / (names.length + 1)}%` } }));
    });
  }
}
