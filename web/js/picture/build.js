// Build: an image as the steps that made it, and where it parts from the image it is compared with.
import { h, icon } from '../dom.js';
import { instruction } from '../model.js';
import { size } from '../units.js';

/** @import { Image, ImageDetail, Layer, Model } from '../model.js' */

/**
 * The image built before this one that shares most layers with it.
 * @param {Image} image @param {Model} model
 */
function previous(image, model) {
  let best = null;
  let most = 0;
  for (const other of model.images) {
    if (other === image || other.created > image.created) continue;
    const common = commonLayers(image, other);
    if (common > most || (common === most && common > 0 && best && other.created > best.created)) {
      best = other;
      most = common;
    }
  }
  return best;
}

/** @param {Image} a @param {Image} b */
function commonLayers(a, b) {
  let n = 0;
  while (n < a.layers.length && a.layers[n] === b.layers[n]) n++;
  return n;
}

/**
 * @param {Model} model
 * @param {{ detail: (id: string) => ImageDetail | undefined, chosen: string | null, choose: (id: string) => void, edit: () => void, select: (layer: Layer) => void }} view
 */
export function buildView(model, view) {
  const built = model.images.toReversed();
  const image = built.find((i) => i.id === view.chosen) ?? built[0];
  if (!image) {
    return h(
      'div.host.center',
      null,
      h(
        'div.blank',
        null,
        h('h2', null, 'Nothing is built yet'),
        h('p', null, 'Write a Dockerfile, then build it in the terminal: ', h('code', null, 'docker build -t name .')),
        h('button.btn', { onclick: view.edit }, icon('pencil', 14), 'Write a Dockerfile'),
      ),
    );
  }
  const before = previous(image, model);
  const common = before ? commonLayers(image, before) : 0;
  const history = (view.detail(image.id)?.history ?? []).toReversed();
  const left = [...image.layers];
  let made = 0;
  let parted = false;
  const steps = history.map((entry, i) => {
    const text = instruction(entry.CreatedBy ?? '') || entry.Comment || '(no command)';
    const layer = left.length && left[0].createdBy === text && (entry.Size ?? 0) === left[0].size ? left.shift() : undefined;
    const at = layer ? made++ : -1;
    const here = !!layer && at >= common && !parted && common > 0;
    if (here) parted = true;
    const shared = layer && at < common;
    const others = layer && layer.shared > 1 ? model.images.filter((o) => o !== image && o.layers.includes(layer)).map((o) => o.names[0]) : [];
    return h(
      'li.step',
      { class: [layer ? (shared ? '' : 'fresh') : 'quiet', here ? 'parts' : ''].join(' ') },
      h('span.no.num', null, i + 1),
      h(
        'div.grow',
        null,
        layer ? h('button.stext', { onclick: () => view.select(layer) }, h('code', null, text)) : h('code.t2', null, text),
        h('p.s13.t2', null, !layer ? 'Settings only.' : shared ? `The same layer as in ${others.slice(0, 3).join(', ')}${others.length > 3 ? ` and ${others.length - 3} more` : ''}.` : here && before ? `Here it parts from ${before.names[0]}.` : 'A layer of its own.'),
      ),
      h('span.how.s13', null, !layer ? 'no layer' : shared ? [icon('check', 14), 'shared'] : 'own'),
      h('span.num.s13.t2.r', null, layer ? size(layer.size) : ''),
    );
  });
  const shared = image.layers.slice(0, common).reduce((s, l) => s + l.size, 0);
  return h(
    'div.bld',
    { tabindex: 0, role: 'region', 'aria-label': 'Steps of the image' },
    h(
      'div.row.bhead',
      null,
      h(
        'label.s13.t2',
        null,
        'Image ',
        h('select.field', { onchange: (/** @type {Event} */ e) => view.choose(/** @type {HTMLSelectElement} */ (e.target).value) }, built.map((i) => h('option', { value: i.id, selected: i === image }, i.names[0] === '<none>' ? i.id.slice(7, 19) : i.names[0]))),
      ),
      h('span.grow', null),
      h('span.s12.t2', null, before ? `${common} of ${image.layers.length} layers (${size(shared)}) stand in ${before.names[0]} too` : `${image.layers.length} layers, none shared`),
      h('button.btn.sm', { onclick: view.edit }, icon('pencil', 14), 'Edit a Dockerfile'),
    ),
    h('ol.steps', null, steps),
  );
}
