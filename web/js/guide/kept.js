// What is kept of lessons and practice in this browser. One that refuses storage keeps it until the page is closed.

const LESSON = 'bottleship:lesson:';
const COMMANDS = 'bottleship:commands:';
const PRACTICE = 'bottleship:practice';
const LEARNER = 'bottleship:learner';
/** Commands and events kept of one lesson or of practice. */
const MAX_COMMANDS = 500;
const MAX_EVENTS = 2000;
/** @type {Map<string, string>} */
const memory = new Map();

/** @param {string} key @returns {any} */
function get(key) {
  try {
    const text = memory.get(key) ?? localStorage.getItem(key);
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** @param {string} key @param {unknown} value */
function set(key, value) {
  const text = JSON.stringify(value);
  memory.set(key, text);
  try {
    localStorage.setItem(key, text);
  } catch {
    // Kept until the page is closed.
  }
}

/** @typedef {{ progress: string, title: string, done: number, of: number, finished: boolean, seed: string }} Kept */

/** @param {string} name @returns {Kept | null} */
export function kept(name) {
  const value = get(LESSON + name);
  return typeof value?.progress === 'string' && typeof value.seed === 'string' ? value : null;
}

/** @param {string} name @param {Kept} value */
export const keep = (name, value) => set(LESSON + name, value);

/**
 * A `docker` command that was entered (Entry of engine/lesson).
 * @typedef {{ at: number, line: string, exit: number | null, error?: string }} Entered
 */

/** @param {string} of a lesson's name, or `practice` @returns {Entered[]} */
export function commands(of) {
  const value = get(COMMANDS + of);
  return Array.isArray(value) ? value.filter((e) => typeof e?.line === 'string' && typeof e.at === 'number') : [];
}

/**
 * Takes over what a host has noted since it started; what was kept from before it stays in front.
 * @param {string} of @param {Entered[]} entered
 */
export function keepCommands(of, entered) {
  if (!entered.length) return;
  const before = commands(of).filter((e) => e.at < entered[0].at);
  set(COMMANDS + of, [...before, ...entered].slice(-MAX_COMMANDS));
}

/** @typedef {{ at: number, what: string, of?: string }} LogEvent */
/** @typedef {{ deck: string, events: LogEvent[] }} Practice `deck` as the lessons' module writes it */

/** @returns {Practice} */
export function keptPractice() {
  const value = get(PRACTICE);
  const fits = typeof value?.deck === 'string' && Array.isArray(value.events);
  return fits ? value : { deck: '', events: [] };
}

/** @param {Practice} value */
export const keepPractice = (value) => set(PRACTICE, { ...value, events: value.events.slice(-MAX_EVENTS) });

/** What the learner calls themselves. @returns {string} */
export const learner = () => String(get(LEARNER) ?? '');

/** @param {string} name */
export const keepLearner = (name) => set(LEARNER, name);
