// Building elements. Everything that comes from outside enters as a text node or a property, never as markup.

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * An element: `h('button.btn', { onclick, 'aria-label': 'Close' }, icon('close'))`. Names of the form on… are listeners, `style` is an
 * object of CSS properties, `dataset` an object; true sets an empty attribute, false, null and undefined none.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K | `${K}.${string}`} tag @param {Record<string, any> | null} [props] @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'class') element.classList.add(...String(value).split(' ').filter(Boolean));
    else if (key === 'style') for (const [p, v] of Object.entries(value)) element.style.setProperty(p, String(v));
    else if (key === 'dataset') Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  add(element, children);
  return /** @type {any} */ (element);
}

/** @param {Element} parent @param {Child[]} children */
export function add(parent, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(parent, child);
    else if (child === null || child === undefined || child === false || child === '') continue;
    else parent.append(child instanceof Node ? child : String(child));
  }
}

const SVG = 'http://www.w3.org/2000/svg';

/** @param {string} name @param {Record<string, string | number>} attributes @param {...SVGElement} children */
export function s(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** Line icons on a 16 px grid. */
const ICONS = {
  moon: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9',
  help: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM6.3 6.3a1.8 1.8 0 1 1 2.4 1.8c-.5.2-.7.5-.7 1.1M8 11.2v.1',
  lock: 'M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5',
  list: 'M5.5 4H14M5.5 8H14M5.5 12H14M2.2 4h.6M2.2 8h.6M2.2 12h.6',
  stacks: 'M2.5 12.5h11M2.5 9.5h11M2.5 6.5h4.5M9 6.5h4.5M2.5 3.5h4.5',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.4 10.4l3.1 3.1',
  warn: 'M8 2.2 14.6 13.6H1.4zM8 6.5v3.2M8 11.7v.1',
  plus: 'M8 3v10M3 8h10',
  close: 'M4 4l8 8M12 4l-8 8',
  right: 'M6 4l4 4-4 4',
  down: 'M4 6l4 4 4-4',
  up: 'M8 13V3M4 7l4-4 4 4',
  file: 'M4 2h5l3 3v9H4zM9 2v3h3',
  fileplus: 'M4 2h5l3 3v9H4zM9 2v3h3M8 7.5v4M6 9.5h4',
  folder: 'M1.8 3.5h4l1.4 1.6h7v7.6H1.8z',
  folderplus: 'M1.8 3.5h4l1.4 1.6h7v7.6H1.8zM8 7.2v4M6 9.2h4',
  pencil: 'M3 13l.6-2.6 7.6-7.6 2 2-7.6 7.6zM9.6 4.4l2 2',
  save: 'M3 3h8l2 2v8H3zM5.5 3v3.5h4V3M5 13V9.5h6V13',
  download: 'M8 2.5v7M5 7l3 3 3-3M3 13h10',
  upload: 'M8 10V3M5 5.5l3-3 3 3M3 13h10',
  trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5',
  restart: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  undo: 'M5.5 3 2.5 6l3 3M3 6h6.500a4 4 0 0 1 0 8H7',
  redo: 'M10.5 3l3 3-3 3M13 6H6.500a4 4 0 0 0 0 8H9',
  eye: 'M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6z',
  window: 'M2 3h12v10H2zM2 6h12',
  out: 'M6 3.5H3v9.500h9.500V10M9 3h4v4M13 3 7.5 8.5',
  terminal: 'M2 3h12v10H2zM4.5 6l2 2-2 2M8 10h3',
  play: 'M5 3.2v9.6L12.5 8z',
  check: 'M3.5 8.5l3 3 6-7',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5H2.5v-8h8V3',
  build: 'M9.5 3.5a3.5 3.5 0 0 0-3.2 4.8L2.5 12l1.5 1.5 3.7-3.8a3.5 3.5 0 0 0 4.6-4.3L10.2 7.5 8.5 5.800l2.1-2.100a3.5 3.5 0 0 0-1.1-.200z',
  sizes: 'M2.5 13.500V9M6.2 13.500V5M9.8 13.500V7.500M13.5 13.500v-11',
  ear: 'M5 6a3 3 0 0 1 6 0c0 2.5-2.5 2.8-2.5 5a2 2 0 0 1-3.7 1M6.8 6.200a1.2 1.2 0 0 1 2.4 0c0 .9-.9 1.1-.9 1.9',
};

/** @typedef {keyof typeof ICONS} IconName */

/** @param {IconName} name @param {number} [size] */
export function icon(name, size = 16) {
  const line = { fill: 'none', stroke: 'currentColor', 'stroke-width': 1.6, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' };
  return s('svg', { width: size, height: size, viewBox: '0 0 16 16', 'aria-hidden': 'true', ...line }, s('path', { d: ICONS[name] }));
}

/**
 * The mark of a container's state: the state is a shape, not a colour.
 * @param {import('./model.js').ContainerState} state
 */
export function stateMark(state) {
  const svg = s('svg', { width: 10, height: 10, viewBox: '0 0 10 10', 'aria-hidden': 'true', fill: 'none' });
  if (state === 'running') svg.append(s('path', { d: 'M1.5 .8v8.4L9.2 5z', fill: 'var(--container)' }));
  else if (state === 'paused') svg.append(s('path', { d: 'M2.8 1v8M7.2 1v8', stroke: 'var(--container)', 'stroke-width': 2.2 }));
  else if (state === 'failed') svg.append(s('path', { d: 'M1.5 1.500l7 7M8.5 1.500l-7 7', stroke: 'var(--bad)', 'stroke-width': 2.2 }));
  else if (state === 'created') svg.append(s('circle', { cx: 5, cy: 5, r: 3.7, stroke: 'var(--text-3)', 'stroke-width': 1.6, 'stroke-dasharray': '1.6 1.6' }));
  else if (state === 'changing') svg.append(s('path', { d: 'M5 1.200a3.8 3.8 0 1 1-3.8 3.8', stroke: 'var(--container)', 'stroke-width': 1.8 }));
  else svg.append(s('rect', { x: 1.5, y: 1.5, width: 7, height: 7, stroke: 'var(--text-3)', 'stroke-width': 1.6 }));
  return svg;
}

/** A volume's cylinder. */
export function cylinder() {
  return s(
    'svg',
    { width: 14, height: 14, viewBox: '0 0 14 14', 'aria-hidden': 'true' },
    s('path', { d: 'M2 3.2v7.6c0 1.1 2.2 2 5 2s5-.9 5-2V3.2', fill: 'var(--volume-2)', stroke: 'var(--volume)', 'stroke-width': 1.3 }),
    s('ellipse', { cx: 7, cy: 3.2, rx: 5, ry: 2, fill: 'var(--volume-1)', stroke: 'var(--volume)', 'stroke-width': 1.3 }),
    s('g', { fill: 'var(--volume)' }, s('circle', { cx: 5, cy: 8, r: 0.8 }), s('circle', { cx: 9, cy: 8, r: 0.8 }), s('circle', { cx: 7, cy: 10.3, r: 0.8 })),
  );
}

/** Replaces the children of an element. @param {Element} parent @param {...Child} children */
export function fill(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

/** @template {Element} T @param {string} selector @param {new () => T} type @returns {T} */
export function must(selector, type) {
  const found = document.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${selector}`);
  return found;
}
