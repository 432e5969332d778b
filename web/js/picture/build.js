// Build: the steps of a build, each cached or rebuilt and why, beside the old and the new stack. An image that was not
// built in this tab is shown by its history.
import { fill, h, icon } from '../dom.js';
import { instruction } from '../model.js';
import { count, size } from '../units.js';
import { common, imageName } from './compare.js';
import { stacks } from './stacks.js';

/** @import { Build, Builds, Timed } from '../builds.js' */
/** @import { Image, ImageDetail, Layer, Model } from '../model.js' */

/** Downloads and builds that a changed source file need not repeat. */
const INSTALLS = /\b(pip3? install|npm (ci|install)|yarn( install)?|pnpm install|apt-get install|apk add|bundle install|go mod download|composer install|cargo (build|fetch))\b/;

/** The image made before this one that shares most layers with it. @param {Image} image @param {Model} model */
function previous(image, model) {
  let best = null;
  let most = 0;
  for (const other of model.images) {
    if (other === image || other.created > image.created) continue;
    const n = common(image, other);
    if (n > most || (n === most && n > 0 && best && other.created > best.created)) {
      best = other;
      most = n;
    }
  }
  return best;
}

/** A step's name without the numbers that its progress shows. @param {string} name */
const plain = (name) => name.replace(/^\[[^\]]*\]\s*/, '');

/** @param {Timed} step @returns {{ how: string, kind: string, why: any }} */
function verdict(step) {
  const { cache } = step;
  if (cache.outcome === 'hit') return { how: 'cached', kind: 'cached', why: /^FROM\b/i.test(plain(step.name)) ? 'The tag still points at the same image.' : 'The same instruction on the same layer, with the same input.' };
  if (cache.outcome === 'none') return { how: 'no layer', kind: 'meta', why: /^FROM\b/i.test(plain(step.name)) ? 'The layers it begins with.' : 'Settings only.' };
  const first = {
    disabled: 'The cache is switched off.',
    earlierStep: ['Its text is the same, but ', h('b', null, 'the layer beneath it changed'), '.'],
    files: [h('b', null, 'The files changed'), '.'],
    buildArgument: [h('b', null, 'A build argument changed'), '.'],
    instruction: [h('b', null, 'The instruction changed'), '.'],
    newBase: 'Nothing was built on this layer before.',
  }[cache.reason];
  // The engine's own words add something only where these don't say which input it was.
  const tells = cache.reason !== 'earlierStep' && cache.reason !== 'files' && cache.reason !== 'newBase' && cache.detail;
  return { how: 'rebuilt', kind: 'built', why: [first, tells ? ` ${cache.detail.replace(/^./, (c) => c.toUpperCase()).replace(/[^.]$/, '$&.')}` : ''] };
}

/** A model of a few images alone. @param {Model} model @param {Set<Image>} kept @returns {Model} */
function only(model, kept) {
  /** @param {Layer} layer @param {Layer | null} parent @returns {Layer | null} */
  const prune = (layer, parent) => {
    /** @type {Layer} */
    const copy = { ...layer, parent, images: layer.images.filter((i) => kept.has(i)), children: [], shared: [...kept].filter((i) => i.layers.includes(layer)).length };
    for (const child of layer.children) {
      const c = prune(child, copy);
      if (c) copy.children.push(c);
    }
    return copy.images.length || copy.children.length ? copy : null;
  };
  return { ...model, bases: model.bases.map((b) => prune(b, null)).filter((b) => b !== null), images: [...kept], networks: [], volumes: [], homeless: [], fold: undefined };
}

/**
 * @typedef {object} Context
 * @property {Builds} builds
 * @property {(id: string) => ImageDetail | undefined} detail
 * @property {string | null} chosen `build N`, or an image's id
 * @property {(what: string) => void} choose
 * @property {() => void} edit
 * @property {(layer: Layer) => void} select
 */

/** @param {Model} model @param {Context} view */
export function buildView(model, view) {
  const builds = view.builds.all.toReversed();
  const images = model.images.toReversed();
  const build = builds.find((b) => view.chosen === `build ${b.number}`) ?? (images.some((i) => i.id === view.chosen) ? undefined : builds[0]);
  const image = build ? null : (images.find((i) => i.id === view.chosen) ?? images[0]);
  if (!build && !image) {
    return h('div.host.center', null, h('div.blank', null, h('h2', null, 'Nothing is built yet'), h('p', null, 'Write a Dockerfile, then build it in the terminal: ', h('code', null, 'docker build -t name .')), h('button.btn', { onclick: view.edit }, icon('pencil', 14), 'Write a Dockerfile')));
  }
  const option = (/** @type {string} */ value, /** @type {string} */ text) => h('option', { value, selected: value === (build ? `build ${build.number}` : image?.id) }, text);
  const select = h(
    'select.field',
    { 'aria-label': 'Build or image', onchange: (/** @type {Event} */ e) => view.choose(/** @type {HTMLSelectElement} */ (e.target).value) },
    builds.length ? h('optgroup', { label: 'Builds of this tab' }, builds.map((b) => option(`build ${b.number}`, `${b.number}. ${b.tags.join(', ') || 'without a name'}`))) : null,
    h('optgroup', { label: 'Images' }, images.map((i) => option(i.id, imageName(i)))),
  );
  const steps = h('ol.steps', { 'aria-label': 'Steps' });
  const aside = h('div.fork', { role: 'region', 'aria-label': 'Stacks', tabindex: 0 });
  const words = h('span.s12.t2', null);
  const tip = h('div', null);
  if (build) {
    const drawn = drawBuild(build, steps, words, tip);
    void view.builds.layers(model).then((layers) => sized(build, layers, steps, aside, model, view, drawn));
  } else if (image) drawImage(image, model, view, steps, aside, words);
  return h('div.bld', { tabindex: 0, role: 'region', 'aria-label': 'Steps of the build' }, h('div.row.bhead', null, select, h('span.grow', null), words, h('button.btn.sm', { onclick: view.edit }, icon('pencil', 14), 'Edit a Dockerfile')), h('div.bcols', null, h('div.grow', null, steps, tip), aside));
}

/** @param {Build} build @param {HTMLElement} steps @param {HTMLElement} words @param {HTMLElement} tip */
function drawBuild(build, steps, words, tip) {
  let missed = false;
  // Loading the context and the like is no step of the Dockerfile.
  const told = build.steps.filter((s) => s.lines || s.cache.outcome !== 'none');
  const rows = told.map((s) => {
    const { how, kind, why } = verdict(s);
    const first = kind === 'built' && !missed;
    missed ||= first;
    const mark = kind === 'cached' ? icon('check', 14) : kind === 'built' ? icon('restart', 14) : null;
    return h('li.step', { class: `${kind} ${first ? 'first' : ''}` }, h('span.no.num', { title: 'Line of the Dockerfile' }, s.lines ? s.lines[0] : ''), h('div.grow', null, h('code', null, plain(s.name)), h('p.s13.t2', null, why)), h('span.how.s13', null, mark, how), h('span.num.s13.t2.r', null, s.ms >= 50 ? `${(s.ms / 1000).toFixed(1)} s` : ''), h('span.num.s13.t2.r.bytes', null));
  });
  fill(steps, rows);
  const [hits, misses] = ['hit', 'miss'].map((o) => build.steps.filter((s) => s.cache.outcome === o).length);
  words.textContent = `${count(hits, 'step')} cached, ${misses} rebuilt`;
  const copied = build.steps.findIndex((s) => s.cache.outcome === 'miss' && s.cache.reason === 'files' && /^(COPY|ADD)\b/i.test(plain(s.name)));
  const again = copied < 0 ? undefined : build.steps.slice(copied + 1).find((s) => s.cache.outcome === 'miss' && s.cache.reason === 'earlierStep' && INSTALLS.test(s.name));
  if (again) fill(tip, h('div.tip', null, h('div.grow', null, h('b', null, 'Install before you copy'), h('p.t2.s13', null, 'If only what ', h('code', null, plain(again.name)), ' reads is copied first, a change of the other files leaves it cached', again.ms > 1000 ? `: about ${Math.round(again.ms / 1000)} s less on each build.` : '.'))));
  return { told, rows };
}

/**
 * What needs the layers' chain IDs: sizes, and the two stacks.
 * @param {Build} build @param {Map<string, Layer>} layers @param {HTMLElement} steps @param {HTMLElement} aside @param {Model} model @param {Context} view @param {{ told: Timed[], rows: HTMLElement[] }} drawn
 */
function sized(build, layers, steps, aside, model, view, { told, rows }) {
  /** @type {Layer | undefined} */
  let top;
  told.forEach((s, i) => {
    const layer = layers.get(s.result);
    if (!layer) return;
    top = layer;
    if (/^FROM\b/i.test(plain(s.name))) return;
    const bytes = rows[i].querySelector('.bytes');
    if (bytes && s.cache.outcome !== 'none') fill(bytes, h('button.stext', { 'aria-label': `Layer of ${size(layer.size)}`, onclick: () => view.select(layer) }, size(layer.size)));
  });
  const made = model.images.find((i) => build.tags.some((t) => i.names.includes(t.includes(':') ? t : `${t}:latest`))) ?? model.images.find((i) => i.top === top);
  if (made) twoStacks(made, model, aside);
}

/** @param {Image} image @param {Model} model @param {HTMLElement} aside */
function twoStacks(image, model, aside) {
  const before = previous(image, model);
  if (!before) return;
  const n = common(image, before);
  const drawing = stacks(only(model, new Set([before, image])), { things: new Map(), opened: '', chosen: new Set(), path: new Set(), expanded: new Set(), roving: '' });
  // A picture to look at: what can be pressed is in Host.
  for (const button of drawing.querySelectorAll('button')) {
    const plate = h('div', { class: button.className });
    plate.append(...button.childNodes);
    button.replaceWith(plate);
  }
  const fresh = new Set(image.layers.slice(n));
  const own = [...fresh].reduce((s, l) => s + l.size, 0);
  fill(
    aside,
    h('h2', null, `What ${imageName(image)} shares with ${imageName(before)}`),
    drawing,
    h('p.s13.t2', null, n === image.layers.length ? 'All its layers.' : `${count(n, 'layer')} in common; then the stacks part, and ${size(own)} is new on disk.`),
  );
}

/** @param {Image} image @param {Model} model @param {Context} view @param {HTMLElement} steps @param {HTMLElement} aside @param {HTMLElement} words */
function drawImage(image, model, view, steps, aside, words) {
  const before = previous(image, model);
  const n = before ? common(image, before) : 0;
  const history = (view.detail(image.id)?.history ?? []).toReversed();
  const left = [...image.layers];
  let made = 0;
  let parted = false;
  fill(
    steps,
    history.map((entry, i) => {
      const text = instruction(entry.CreatedBy ?? '') || entry.Comment || '(no command)';
      const layer = left.length && left[0].createdBy === text && (entry.Size ?? 0) === left[0].size ? left.shift() : undefined;
      const at = layer ? made++ : -1;
      const here = !!layer && at >= n && !parted && n > 0;
      if (here) parted = true;
      const shared = layer && at < n;
      const others = layer && layer.shared > 1 ? model.images.filter((o) => o !== image && o.layers.includes(layer)).map(imageName) : [];
      return h(
        'li.step',
        { class: `${layer ? (shared ? '' : 'fresh') : 'quiet'} ${here ? 'parts' : ''}` },
        h('span.no.num', null, i + 1),
        h('div.grow', null, layer ? h('button.stext', { onclick: () => view.select(layer) }, h('code', null, text)) : h('code.t2', null, text), h('p.s13.t2', null, !layer ? 'Settings only.' : shared ? `The same layer as in ${others.slice(0, 3).join(', ')}${others.length > 3 ? ` and ${others.length - 3} more` : ''}.` : here && before ? `Here it parts from ${imageName(before)}.` : 'A layer of its own.')),
        h('span.how.s13', null, !layer ? 'no layer' : shared ? [icon('check', 14), 'shared'] : 'own'),
        h('span.num.s13.t2.r', null, layer ? size(layer.size) : ''),
      );
    }),
  );
  const shared = image.layers.slice(0, n).reduce((s, l) => s + l.size, 0);
  words.textContent = before ? `${n} of ${image.layers.length} layers (${size(shared)}) stand in ${imageName(before)} too` : `${image.layers.length} layers, none shared`;
  twoStacks(image, model, aside);
}
