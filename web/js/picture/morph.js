// Makes a drawing like a new one while keeping the elements that stand for the same things, so that focus, scroll
// position and running animations stay. Elements are the same by data-key (things) or
// data-node (what holds them), or else by place and name.

/** @param {Node} node */
const keyOf = (node) => (node instanceof HTMLElement ? (node.dataset.key ?? node.dataset.node) : undefined);

/** @param {Node} a @param {Node} b */
const alike = (a, b) => a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

/** What is drawn on top for a moment stays as it is. @param {Node | null} node */
function real(node) {
  let at = node;
  while (at instanceof HTMLElement && at.dataset.decor !== undefined) at = at.nextSibling;
  return at;
}

/** @param {Element} from @param {Element} to */
function attributes(from, to) {
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
}

/**
 * Event listeners are not carried over: what is drawn here is listened to from above.
 * @param {Element} from stays @param {Element} to is taken apart
 */
export function morph(from, to) {
  attributes(from, to);
  /** @type {Map<string, Node>} */
  const keyed = new Map();
  for (const child of from.childNodes) {
    const key = keyOf(child);
    if (key !== undefined) keyed.set(key, child);
  }
  let at = real(from.firstChild);
  for (const next of [...to.childNodes]) {
    const key = keyOf(next);
    let match = key === undefined ? (at && alike(at, next) ? at : null) : (keyed.get(key) ?? null);
    if (match && !alike(match, next)) match = null;
    if (!match) {
      from.insertBefore(next, at);
      continue;
    }
    if (match === at) at = real(at.nextSibling);
    else from.insertBefore(match, at);
    if (match instanceof Element) morph(match, /** @type {Element} */ (next));
    else if (match.nodeValue !== next.nodeValue) match.nodeValue = next.nodeValue;
  }
  while (at) {
    const gone = /** @type {ChildNode} */ (at);
    at = real(at.nextSibling);
    gone.remove();
  }
}
