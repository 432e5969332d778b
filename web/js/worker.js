// The worker that holds the Docker host: runs the engine in slices, carries bytes between it and the page.
import init, { BottleshipEngine, BottleshipWorld } from 'bottleship-wasm';
import { exportStore } from './export.js';
import { LessonHost } from './lessonhost.js';
import { load } from './load.js';
import { Decoder } from './preview/http.js';
import { SIZE, WINDOW } from './protocol.js';
import { TimeTravel } from './timetravel.js';

/** @import { Engine, EngineClass, FromWorker, ToWorker } from './protocol.js' */

/** How long a slice runs before the worker looks at its messages again: a key is answered within two of these. */
const SLICE_MS = 6;

/** The host is saved when it has had nothing to do for so long. */
const SAVE_MS = 250;

const scope = /** @type {any} */ (globalThis);

/** @type {Engine | null} */
let engine = null;
/** Page's terminal number → engine's, and the bytes not acknowledged yet. @type {Map<number, { pty: number, unacked: number }>} */
const terminals = new Map();
let storeName = '';
/** @type {Set<number>} */
const requests = new Set();
/** Commands whose output is streamed: bytes not taken yet, and what goes on when they are. @type {Map<number, { untaken: number, go: (() => void) | null }>} */
const streams = new Map();

/** @param {FromWorker} message @param {ArrayBufferLike[]} [transfer] */
function post(message, transfer) {
  scope.postMessage(message, transfer ?? []);
}

/** @param {unknown} error */
function text(error) {
  return error instanceof Error ? error.message : String(error);
}

// Running -------------------------------------------------------------------------------------------------------------

const yielding = new MessageChannel();
let queued = false;
/** The last slice left something to run. */
let running = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let sleeping;
let instructions = 100_000;
yielding.port1.onmessage = () => {
  queued = false;
  slice();
};

/** Runs a slice soon, after the messages that are waiting. */
function wake() {
  if (queued || !engine) return;
  queued = true;
  clearTimeout(sleeping);
  yielding.port2.postMessage(0);
}

function slice() {
  if (!engine) return;
  try {
    const start = performance.now();
    let before = start;
    let wait = 0;
    do {
      wait = engine.run(instructions);
      const after = performance.now();
      if (wait === 0) {
        // Short enough to be stopped in time, long enough that the calls don't cost.
        if (after - before > SLICE_MS / 2) instructions = Math.max(1_000, instructions >> 1);
        else if (after - before < SLICE_MS / 8) instructions = Math.min(1 << 24, instructions << 1);
      }
      before = after;
    } while (wait === 0 && before - start < SLICE_MS);
    flush();
    running = wait === 0;
    if (running) return wake();
    if (touched) saveSoon();
    if (wait !== Infinity && !queued) sleeping = setTimeout(wake, Math.min(wait, 0x7fff_ffff));
  } catch (error) {
    stopped(error);
  }
}

/** Something came from outside since the last save. */
let touched = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saving;

/** Saves once the host has been quiet for a moment: the engine's own rounds are seconds apart, and a tab may go any time. */
function saveSoon() {
  touched = false;
  clearTimeout(saving);
  saving = setTimeout(() => {
    engine?.save().catch((error) => console.warn(`the host could not be saved: ${text(error)}`));
    wake();
  }, SAVE_MS);
}

function flush() {
  if (!engine) return;
  for (const [term, t] of terminals) {
    while (t.unacked < WINDOW) {
      const data = engine.read(t.pty, WINDOW - t.unacked);
      if (!data?.length) break;
      t.unacked += data.length;
      post({ t: 'out', term, data }, [data.buffer]);
    }
    const exitCode = engine.exited(t.pty);
    if (exitCode !== undefined) {
      terminals.delete(term);
      engine.close(t.pty);
      post({ t: 'closed', term, exitCode });
    }
  }
}

/** @param {unknown} error */
function stopped(error) {
  engine = null;
  terminals.clear();
  console.error(error);
  post({ t: 'state', state: 'stopped', message: text(error) });
}

// The store has one writer ---------------------------------------------------------------------------------------------

/**
 * Holds the store's lock until this worker ends.
 * @param {string} store @param {boolean} steal
 * @returns {Promise<boolean>} whether it was free
 */
function lock(store, steal) {
  if (!navigator.locks || !store) return Promise.resolve(true);
  return new Promise((resolve, reject) => {
    const options = steal ? { steal } : { ifAvailable: true };
    navigator.locks
      .request(`bottleship:${store}`, options, (held) => {
        resolve(held !== null);
        return held && new Promise(() => {});
      })
      .catch((error) => {
        if (!engine) return reject(error);
        engine = null;
        terminals.clear();
        post({ t: 'state', state: 'lost' });
      });
  });
}

/** What the engine's module exports, once there is one. @type {any} */
let wasm;
/** @type {TimeTravel | null} */
let travel = null;

/** Steps can be taken and gone to from the first one on; the double of the engine has no memory to keep. */
function timeTravel() {
  if (!wasm?.__wbindgen_externrefs) throw new Error('this engine has no time travel');
  travel ??= new TimeTravel(wasm, {
    store: storeName,
    idle: () => !queued && !running,
    save: async () => {
      const saved = engine?.save();
      wake();
      await saved;
    },
    terminals: () => [...terminals].map(([term, t]) => [term, t.pty]),
  });
  return travel;
}

/** Makes the host what it was at a step, and the terminals those that the page has now. @param {number} id */
async function go(id) {
  const were = new Map(await timeTravel().go(id));
  if (!engine) return;
  requests.clear();
  for (const [term, t] of terminals) t.pty = were.get(term) ?? engine.open(80, 24);
  for (const [term, pty] of were) if (!terminals.has(term)) engine.close(pty);
  wake();
}

/** Whether this browser lets this page store anything: it may refuse it in another site's page. */
async function storable() {
  try {
    await indexedDB.databases?.();
    return true;
  } catch {
    return false;
  }
}

/** @param {Extract<ToWorker, { t: 'boot' }>} message */
async function boot({ store: wanted, steal, site, kept }) {
  // On their way while the store's lock is taken.
  const parts = load(site, kept ? null : (loaded) => post({ t: 'event', name: 'loading', detail: { loaded, total: BOTTLESHIP_WASM_SIZE } }));
  let store = wanted && (await storable()) ? wanted : '';
  post({ t: 'state', state: 'starting' });
  try {
    // Where storage is refused, so are locks.
    let free = await lock(store, steal).catch((error) => {
      if (error.name !== 'SecurityError') throw error;
      store = '';
      return true;
    });
    storeName = store;
    // Another tab's worker that is just ending gives its lock back in a moment.
    for (let tries = 0; !free && tries < 4; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      free = await lock(store, false);
    }
    if (!free) return post({ t: 'state', state: 'taken' });
    const fresh = !store || !(await indexedDB.databases?.())?.some((d) => d.name === store);
    const [module, rootfs] = await Promise.all([parts.module, parts.rootfs]);
    wasm = await init({ module_or_path: module ?? undefined });
    const options = { store, rootfs: new Uint8Array(rootfs), site, buildStep };
    engine = await /** @type {EngineClass} */ (/** @type {unknown} */ (BottleshipEngine)).start(options, wake);
    // Made before any step is kept, so that it is at the same place in all of them.
    lessons = new LessonHost(/** @type {any} */ (BottleshipWorld).of(engine));
    post({ t: 'state', state: 'ready', fresh, kept: !!store });
    wake();
  } catch (error) {
    stopped(error);
  }
}

/** @param {unknown} detail */
const buildStep = (detail) => post({ t: 'event', name: 'build-step', detail });
/** The lesson that is taken on this host. @type {LessonHost | null} */
let lessons = null;

// Calls ---------------------------------------------------------------------------------------------------------------

/** @param {Extract<ToWorker, { t: 'call' }>} message */
async function call({ id, name, args }) {
  if (!engine) return post({ t: 'failed', id, message: 'the Docker host is not running' });
  try {
    touched ||= name === 'writeFile' || name === 'makeDir' || name === 'remove' || name === 'rename';
    const pending = name in own ? own[name](engine, ...args) : /** @type {any} */ (engine)[name](...args);
    wake();
    const value = await pending;
    const bytes = value instanceof Uint8Array ? value : value?.data;
    post({ t: 'result', id, value }, bytes instanceof Uint8Array ? [bytes.buffer] : []);
  } catch (error) {
    post({ t: 'failed', id, message: text(error) });
  }
}

/** Calls that are not the engine's own words. @type {Record<string, (engine: Engine, ...args: any[]) => Promise<unknown>>} */
const own = {
  memory: async (from) => ({ bytes: wasm?.memory?.buffer.byteLength ?? 0, used: from.memoryUsed() }),
  async export(from) {
    await from.save();
    return exportStore(storeName);
  },
  exchange,
  keep: () => timeTravel().take(),
  go: (_, id) => go(id),
  treeList: (from, of, path, max) => from.treeList(...named(of), path, max),
  treeRead: (from, of, path, max) => from.treeRead(...named(of), path, max),
  lesson: async (_, verb, args) => lessons?.call(verb, args),
};

/** @param {Record<string, string>} of @returns {[string, string]} */
function named(of) {
  const [[kind, name]] = Object.entries(of);
  return [kind, String(name)];
}

/** @param {Extract<ToWorker, { t: 'exec' }>} message */
async function exec({ id, line, stream }) {
  if (!engine) return post({ t: 'failed', id, message: 'the Docker host is not running' });
  try {
    const began = performance.now();
    touched = true;
    requests.add(id);
    const done = engine.exec(id, line, stream ? streamTo(id) : undefined);
    wake();
    const { exitCode, stdout, stderr } = await done;
    post({ t: 'result', id, value: { exitCode, stdout, stderr, ms: performance.now() - began } });
  } catch (error) {
    post({ t: 'failed', id, message: text(error) });
  } finally {
    requests.delete(id);
    streams.delete(id);
  }
}

/** Posts output, and has a command wait that is too far ahead of the page. @param {number} id */
function streamTo(id) {
  /** @type {{ untaken: number, go: (() => void) | null }} */
  const state = { untaken: 0, go: null };
  streams.set(id, state);
  return (/** @type {1 | 2} */ fd, /** @type {Uint8Array} */ data) => {
    state.untaken += data.length;
    post({ t: 'piece', id, stream: fd === 2 ? 'stderr' : 'stdout', data }, [data.buffer]);
    if (state.untaken < WINDOW) return undefined;
    // Both streams may wait at once.
    const before = state.go;
    return new Promise((/** @type {(value: void) => void} */ resolve) => (state.go = () => (before?.(), resolve())));
  };
}

/** @param {Extract<ToWorker, { t: 'taken' }>} message */
function taken({ id, bytes }) {
  const state = streams.get(id);
  if (!state) return;
  state.untaken -= bytes;
  if (state.untaken >= WINDOW) return;
  state.go?.();
  state.go = null;
}

/** A server that doesn't answer a preview for so long is given up, in ms. */
const PATIENCE = 30_000;
/** Numbers of requests to servers; the page's own count from 1. */
let exchanges = 0x8000_0000;

/** @param {Engine} from @param {number} port @param {string} method @param {Uint8Array} data */
async function exchange(from, port, method, data) {
  const decoder = new Decoder(method);
  const id = exchanges++;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    from.cancel(id);
    wake();
  }, PATIENCE);
  try {
    const done = from.exchange(id, port, data, (piece) => decoder.push(piece));
    wake();
    await done;
  } finally {
    clearTimeout(timer);
  }
  if (late) throw new Error(`nothing more came from port ${port} in ${PATIENCE / 1000} seconds`);
  return decoder.end();
}

/** @param {Extract<ToWorker, { t: 'api' }>} message */
async function api({ id, method, path, headers, body }) {
  if (!engine) return post({ t: 'failed', id, message: 'the Docker host is not running' });
  try {
    requests.add(id);
    const done = engine.request(
      id,
      method,
      path,
      headers,
      body ?? undefined,
      (status, sent) => post({ t: 'head', id, status, headers: sent }),
      (data) => post({ t: 'chunk', id, data }, [data.buffer]),
    );
    wake();
    await done;
    post({ t: 'result', id, value: undefined });
  } catch (error) {
    post({ t: 'failed', id, message: text(error) });
  } finally {
    requests.delete(id);
  }
}

/** @param {number} value @param {number[]} range */
const clamp = (value, [low, high]) => Math.min(high, Math.max(low, Math.trunc(value) || low));

/** @param {ToWorker} m */
function receive(m) {
  switch (m.t) {
    case 'boot':
      return void boot(m);
    case 'call':
      return void call(m);
    case 'api':
      return void api(m);
    case 'exec':
      return void exec(m);
    case 'taken':
      return taken(m);
  }
  if (!engine) return;
  const t = 'term' in m ? terminals.get(m.term) : undefined;
  switch (m.t) {
    case 'open':
      terminals.set(m.term, { pty: engine.open(clamp(m.cols, SIZE.cols), clamp(m.rows, SIZE.rows)), unacked: 0 });
      break;
    case 'in':
      touched = true;
      if (t) engine.write(t.pty, m.data);
      break;
    case 'resize':
      if (t) engine.resize(t.pty, clamp(m.cols, SIZE.cols), clamp(m.rows, SIZE.rows));
      break;
    case 'close':
      if (t) engine.close(t.pty);
      terminals.delete(m.term);
      break;
    case 'ack':
      if (!t) return;
      t.unacked -= m.bytes;
      if (t.unacked + m.bytes < WINDOW) return; // nothing was held back
      break;
    case 'cancel':
      if (requests.has(m.id)) engine.cancel(m.id);
      break;
  }
  wake();
}

scope.onmessage = (/** @type {MessageEvent<ToWorker>} */ event) => {
  try {
    receive(event.data);
  } catch (error) {
    stopped(error);
  }
};
