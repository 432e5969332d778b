// What the page's address asks for, and the host that goes with it.
import { embedded, embedder } from './embedded.js';

const PLAYGROUND = 'bottleship';

/** A lesson's name, '' for the list of them, null for the playground. */
export const asked = () => new URLSearchParams(location.search).get('lesson');

/**
 * The database of the host that the address asks for: each lesson has its own, and so has each site that embeds one. A
 * site that can't be told gets a host of which nothing is kept.
 */
export function store() {
  const lesson = asked();
  if (embedded()) return embedder() && `${PLAYGROUND}:embed:${embedder()}:${lesson ?? ''}`;
  return lesson ? `${PLAYGROUND}:lesson:${lesson}` : PLAYGROUND;
}
