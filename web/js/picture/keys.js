// The picture by keyboard: arrows follow what is drawn, down is beneath; in the list they follow the rows.

/**
 * The thing next to one in a direction, as it is drawn.
 * @param {HTMLElement} within @param {HTMLElement} from @param {string} key of a keyboard event
 * @returns {HTMLElement | null | undefined} undefined when the key is not an arrow
 */
export function neighbour(within, from, key) {
  const direction = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[key];
  if (!direction) return undefined;
  const a = from.getBoundingClientRect();
  const [ax, ay] = [a.left + a.width / 2, a.top + a.height / 2];
  let best = null;
  let least = Infinity;
  for (const to of /** @type {NodeListOf<HTMLElement>} */ (within.querySelectorAll('[data-key]'))) {
    if (to === from) continue;
    const b = to.getBoundingClientRect();
    const [dx, dy] = [b.left + b.width / 2 - ax, b.top + b.height / 2 - ay];
    const along = direction[0] ? dx * direction[0] : dy * direction[1];
    if (along < 4) continue;
    const aside = direction[1] ? Math.max(0, Math.max(a.left, b.left) - Math.min(a.right, b.right)) : Math.abs(dy);
    const cost = along + aside * 4;
    if (cost < least) {
      least = cost;
      best = to;
    }
  }
  return best;
}

/**
 * A treegrid's keys on its rows (ARIA Authoring Practices).
 * @param {HTMLElement} row @param {string} key
 * @returns {HTMLElement | 'expand' | 'collapse' | null | undefined} where to go, or what to do; undefined for other keys
 */
export function gridKey(row, key) {
  const all = /** @type {HTMLElement[]} */ ([...(row.closest('tbody')?.querySelectorAll('tr[data-key]') ?? [])]);
  const at = all.indexOf(row);
  switch (key) {
    case 'ArrowDown':
      return all[at + 1] ?? null;
    case 'ArrowUp':
      return all[at - 1] ?? null;
    case 'Home':
      return all[0];
    case 'End':
      return all[all.length - 1];
    case 'ArrowRight':
      return row.getAttribute('aria-expanded') === 'false' ? 'expand' : null;
    case 'ArrowLeft':
      if (row.getAttribute('aria-expanded') === 'true') return 'collapse';
      return row.getAttribute('aria-level') === '2' ? (all.slice(0, at).findLast((r) => r.getAttribute('aria-level') === '1') ?? null) : null;
    default:
      return undefined;
  }
}
