// What the page's address asks for, and the host that goes with it.

const PLAYGROUND = 'bottleship';

/** A lesson's name, '' for the list of them, null for the playground. */
export const asked = () => new URLSearchParams(location.search).get('lesson');

/** The database of the host that the address asks for: each lesson has its own. */
export function store() {
  const lesson = asked();
  return lesson ? `${PLAYGROUND}:lesson:${lesson}` : PLAYGROUND;
}
