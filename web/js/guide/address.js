// What the page's address asks for, and the host that goes with it.
import { embedded, embedder } from './embedded.js';

const PLAYGROUND = 'bottleship';

/** @param {string} name */
const parameter = (name) => new URLSearchParams(location.search).get(name);

/** A lesson's name, '' for the list of them, null for the playground. */
export const asked = () => parameter('lesson');

/** A drill (`topic/id`), '' for the choice of them, null when it is not about practice. */
export const practising = () => (asked() === null ? parameter('practice') : null);

/** The variant that the address asks for. */
export const askedSeed = () => parameter('seed');

/**
 * The database of the host that the address asks for: each lesson has its own, and so has each site that embeds one. A
 * drill's host is gone with it, and of a site that can't be told nothing is kept.
 */
export function store() {
  const lesson = asked();
  if (practising()) return '';
  if (embedded()) return embedder() && `${PLAYGROUND}:embed:${embedder()}:${lesson ?? ''}`;
  return lesson ? `${PLAYGROUND}:lesson:${lesson}` : PLAYGROUND;
}
