// The page: starts the Docker host and the terminal at once, the picture right after.
import { announce } from './announce.js';
import { createApi } from './bottleship.js';
import { ask } from './dialog.js';
import { fill, h, icon, must } from './dom.js';
import { Explainer } from './explain.js';
import { asked, practising } from './guide/address.js';
import { embedded, listen } from './guide/embedded.js';
import { Host } from './host.js';
import { isAsked } from './hosted/asked.js';
import * as settings from './settings.js';
import { splitter } from './splitter.js';
import { firstStore, problem, take } from './start.js';
import { Terminals } from './terminals.js';
import { Timeline } from './timeline.js';
import { scriptUrl } from './trusted.js';

/** @import { Guide } from './guide/guide.js' */
/** @import { Picture, View } from './picture/pane.js' */

const TRY = ['docker run hello-world', 'docker run -it --rm busybox sh', 'docker images'];

document.documentElement.toggleAttribute('data-embed', embedded());
const onServer = isAsked();
const host = onServer ? new (await import('./hosted/hosted.js')).HostedHost() : new Host();
const stores = typeof indexedDB === 'object' && !!indexedDB;
let store = onServer ? '' : firstStore;
/** @type {Picture | null} */
let picture = null;
/** @type {Promise<Guide> | null} */
let guide = null;

/** @param {{ steal?: boolean, store?: string }} [options] */
function start({ steal = false, store: into = store } = {}) {
  if (problem) return;
  store = into;
  if (onServer) void /** @type {import('./hosted/hosted.js').HostedHost} */ (host).boot();
  else host.boot(take({ store, steal }));
}
host.on('loading', ({ loaded, total }) => picture?.progress(loaded, total));

const terminals = new Terminals(host, { leave: () => must('#picture [aria-selected=true]', HTMLElement).focus() });
const timeline = new Timeline(host, terminals, {
  store: () => store,
  start: (options) => start(options),
  travelled: () => picture?.travelled(),
  commandBegan: (command) => void guide?.then((g) => g.commandBegan(command)),
  commandEnded: (command) => {
    picture?.hostView.settled();
    void guide?.then((g) => g.commandEnded(command));
  },
});
terminals.added = (tab) => timeline.follow(tab);
const pane = h('section.pane.picture', { id: 'picture', 'aria-label': 'Picture of the host', 'aria-busy': 'true' });
const main = must('#main', HTMLElement);
const notice = h('div.notice', null);
const desk = h('div.desk', null, notice, pane, terminals.element, timeline.element);
terminals.element.before(splitter(pane, terminals.element, desk));
fill(main, desk);
terminals.add();
if (matchMedia('(pointer: fine)').matches) terminals.focus();

void timeline.opened();

// The host's states -----------------------------------------------------------------------------------------------------

const explainer = new Explainer();
const chips = h('div.chips', { role: 'group', 'aria-label': 'Try' });
const explainSlot = h('div.explains', null);
terminals.below.append(explainSlot, chips);

host.on('state', ({ state, message, kept }) => {
  document.documentElement.dataset.host = state;
  if (state === 'ready') {
    terminals.ready();
    announce('The Docker host is ready.');
    fill(notice, kept || embedded() || practising() ? null : h('div.banner.warn', null, icon('warn'), h('span.grow', null, h('b', null, 'Nothing is kept. '), 'This browser refuses storage, so the host is empty again after a reload.')));
    void navigator.storage?.persist?.().catch(() => false);
  } else if (state === 'stopped') terminals.lost('The host has stopped. Nothing typed here can run until it starts again.');
  else if (state === 'lost' || state === 'taken') terminals.lost('The host is open in another tab.');
  drawChips();
  if (state === 'stopped') announce(`The Docker host stopped. ${message ?? ''}`, 'assertive');
});

/** Suggestions while the host is empty. */
function drawChips() {
  const model = picture?.live.model;
  const show = host.state.state === 'ready' && model && !model.images.length && !model.containers.length;
  fill(chips, show ? [h('span.s13', null, 'Try'), TRY.map((command) => h('button.chip', { onclick: () => terminals.type(command) }, command))] : null);
}

terminals.heard = (data) => {
  picture?.live.touched();
  const found = explainer.hear(data);
  if (!found) return;
  const { title, text, command } = found;
  const close = () => fill(explainSlot);
  fill(
    explainSlot,
    h('div.explain', { role: 'note' }, icon('help'), h('div.grow', null, h('b', null, title), ' ', text.split('`').map((part, i) => (i % 2 ? h('code', null, part) : part))), command ? h('button.run', { onclick: () => (close(), terminals.type(command, { run: false })) }, command) : null, h('button.run', { 'aria-label': 'Close', onclick: close }, icon('close', 12))),
  );
  announce(`${title} ${text.replaceAll('`', '')}`);
};
terminals.entered = (tab) => {
  timeline.commands.entered(tab);
  fill(explainSlot);
};

// The bar ---------------------------------------------------------------------------------------------------------------

const where = must('#where', HTMLElement);
fill(where, icon('lock', 12), 'Runs in this tab');
where.hidden = false;
const themeButton = h('button.btn.ghost.icon', { 'aria-label': 'Light or dark', title: 'Light or dark', onclick: settings.toggleTheme }, icon('moon'));
fill(
  must('#bar-actions', HTMLElement),
  h('button.btn.ghost.sm.bar-lessons', { onclick: () => void openGuide().then((g) => g.toggle()) }, icon('list', 14), 'Lessons'),
  h('button.btn.ghost.icon.bar-reset', { 'aria-label': 'Empty the host', title: 'Empty the host', onclick: () => void reset() }, icon('restart')),
  themeButton,
  h('button.btn.ghost.icon', { 'aria-label': 'Help and keys', title: 'Help and keys  ?', onclick: () => void help() }, icon('help')),
);

async function help() {
  const { openHelp } = await import('./help.js');
  openHelp({ reset: () => void reset(), exportAll: () => void exportAll() });
}

/** Empties the host, after asking. @returns {Promise<boolean>} whether it was done */
async function reset() {
  const sure = await ask({ title: 'Empty the host?', body: ['All images, containers, volumes and files of this host are deleted from this browser. This can’t be undone.'], yes: 'Delete everything', danger: true });
  if (sure) await empty();
  return sure;
}

/** Empties the host and starts it again. */
async function empty() {
  if (host.state.state === 'ready') await host.call('reset').catch(() => {});
  if (onServer) return start();
  host.stop();
  if (store) {
    await new Promise((resolve) => {
      const request = indexedDB.deleteDatabase(store);
      request.onsuccess = request.onerror = request.onblocked = () => resolve(undefined);
    });
  }
  terminals.lost('');
  start();
}

async function exportAll() {
  try {
    const data = await host.call('export');
    const { download } = await import('./download.js');
    download('bottleship-host.tar', [/** @type {BlobPart} */ (data)]);
  } catch (error) {
    announce(`The host can't be saved: ${/** @type {Error} */ (error).message}`, 'assertive');
  }
}

// Real Linux, where the server has sessions ------------------------------------------------------------------------------

void import('./hosted/bar.js').then(({ placeBar }) => placeBar(host, { where, actions: must('#bar-actions', HTMLElement), notice, commands: () => timeline.runs() }));

// The guide, when it is asked for ------------------------------------------------------------------------------------------

/** The pane with the lessons. */
function openGuide() {
  guide ??= import('./guide/guide.js').then(async ({ Guide }) => {
    const made = new Guide(host, {
      type,
      start: (into) => {
        terminals.lost('');
        start({ store: stores ? into : '' });
      },
      empty,
      refit: () => terminals.refit(),
    });
    main.prepend(made.element);
    desk.prepend(made.strip);
    await made.opened();
    return made;
  });
  return guide;
}
if (asked() !== null || practising() !== null) void openGuide();

// The picture, once the terminal stands ----------------------------------------------------------------------------------

/** @param {View} view */
function viewChanged(view) {
  document.documentElement.dataset.view = view;
  for (const b of /** @type {NodeListOf<HTMLElement>} */ (btabs.querySelectorAll('button'))) {
    if (b.dataset.view === view) b.setAttribute('aria-current', 'page');
    else b.removeAttribute('aria-current');
  }
  requestAnimationFrame(() => terminals.refit());
}

const btabs = must('#btabs', HTMLElement);
fill(
  btabs,
  /** @type {[View, string, import('./dom.js').IconName][]} */ ([['host', 'Work', 'terminal'], ['files', 'Files', 'pencil'], ['build', 'Build', 'build'], ['sizes', 'Sizes', 'sizes']]).map(([view, name, mark]) =>
    h('button', { dataset: { view }, onclick: () => picture?.show(view) }, icon(mark, 18), name),
  ),
);
btabs.hidden = false;

/** @param {string} command @param {{ run?: boolean }} [options] */
function type(command, options) {
  // On a phone the terminal is behind the other views.
  if (picture && matchMedia('(max-width: 599px)').matches) picture.show('host');
  terminals.type(command, options);
}

const pictureReady = import('./picture/pane.js').then(({ Picture }) => {
  picture = new Picture(pane, host, { type, start, reset: () => void reset(), viewChanged, problem: () => problem });
  picture.live.onChange(drawChips);
  return picture;
});

// Keys ------------------------------------------------------------------------------------------------------------------

/** @param {number} step */
function nextPane(step) {
  const panes = [must('.top', HTMLElement), ...document.querySelectorAll('#guide:not([hidden])'), must('#picture', HTMLElement), terminals.element];
  const at = panes.findIndex((p) => p.contains(document.activeElement));
  const to = (at + step + panes.length) % panes.length;
  if (panes[to] === terminals.element) terminals.focus();
  else if (picture && panes[to] === picture.element) picture.focus();
  else panes[to].querySelector('button')?.focus();
}

let lastG = 0;
addEventListener('keydown', (e) => {
  if (e.key === 'F6') {
    e.preventDefault();
    return nextPane(e.shiftKey ? -1 : 1);
  }
  const target = /** @type {HTMLElement} */ (e.target);
  if (e.ctrlKey || e.metaKey || e.altKey || !settings.get().letters || document.querySelector('dialog[open]')) return;
  if (terminals.element.contains(target) && target.matches('textarea, .xbody *')) return;
  if (target.matches('input, textarea, select, [contenteditable=true], [contenteditable=true] *')) return;
  const afterG = e.timeStamp - lastG < 1000;
  lastG = 0;
  const views = /** @type {Record<string, View>} */ ({ h: 'host', f: 'files', b: 'build', s: 'sizes', p: 'preview' });
  if (afterG && views[e.key]) picture?.show(views[e.key]);
  else if (e.key === 'g') lastG = e.timeStamp;
  else if (e.key === 't') terminals.focus();
  else if (e.key === '[') void timeline.undo();
  else if (e.key === ']') void timeline.redo();
  else if (e.key === '?') void help();
  else if (e.key === '/') picture?.find();
  else if (e.key === 'l' && picture) settings.set({ layout: picture.element.querySelector('.lst') ? null : 'list' });
  else return;
  e.preventDefault();
});

// Keys a phone's keyboard lacks.
let ctrl = false;
const ctrlKey = h('button', { 'aria-pressed': 'false', onclick: () => setCtrl(!ctrl) }, 'ctrl');
/** @param {boolean} on */
function setCtrl(on) {
  ctrl = on;
  ctrlKey.setAttribute('aria-pressed', String(on));
  terminals.focus();
}
terminals.transform = (data) => {
  if (!ctrl || data.length !== 1) return data;
  setCtrl(false);
  return String.fromCharCode(data.toUpperCase().charCodeAt(0) & 0x1f);
};
/** @param {string} label @param {string} data @param {string} [name] */
const key = (label, data, name) => h('button', { 'aria-label': name ?? null, onclick: () => (terminals.active?.send(data), terminals.focus()) }, label);
terminals.element.append(
  h('div.keys', { role: 'toolbar', 'aria-label': 'Terminal keys' }, key('esc', '\x1b'), key('tab', '\t'), ctrlKey, key('|', '|'), key('-', '-'), key('/', '/'), key('↑', '\x1b[A', 'Up'), key('↓', '\x1b[B', 'Down')),
);
// The soft keyboard takes the picture's place.
if (window.visualViewport) {
  const viewport = window.visualViewport;
  const fit = () => document.documentElement.toggleAttribute('data-keyboard', matchMedia('(max-width: 599px)').matches && viewport.height < 480);
  viewport.addEventListener('resize', fit);
  fit();
}

// Files dragged in -------------------------------------------------------------------------------------------------------

let over = 0;
const dropHint = h('div.drophint', { hidden: true }, h('div', null, icon('upload', 24), h('b', null, 'Drop to copy into the host'), h('span', null, 'What docker save wrote is loaded, what docker export wrote is imported.')));
document.body.append(dropHint);
const carriesFiles = (/** @type {DragEvent} */ e) => !!e.dataTransfer?.types.includes('Files') && host.state.state === 'ready';
addEventListener('dragenter', (e) => carriesFiles(e) && (over++, (dropHint.hidden = false)));
addEventListener('dragleave', (e) => carriesFiles(e) && --over <= 0 && ((over = 0), (dropHint.hidden = true)));
addEventListener('dragover', (e) => e.dataTransfer?.types.includes('Files') && e.preventDefault());
addEventListener('drop', (e) => {
  if (!e.dataTransfer?.types.includes('Files')) return;
  e.preventDefault();
  over = 0;
  dropHint.hidden = true;
  const files = [...e.dataTransfer.files];
  if (files.length && host.state.state === 'ready') void pictureReady.then((p) => p.files.bringIn(files));
});

// A tab that is left may never be asked again.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden' && host.state.state === 'ready') host.call('save').catch(() => {});
});
addEventListener('beforeunload', (e) => picture?.files.dirty && e.preventDefault());

// For scripts on the page ------------------------------------------------------------------------------------------------

export const bottleship = Object.freeze({
  ...createApi(host),
  /** Empties the host, after asking. Resolves with whether it was done. */
  reset,
  /** The terminal in front. */
  terminal: { type: (/** @type {string} */ command, /** @type {{ run?: boolean }} */ options = {}) => terminals.type(command, options), text: () => terminals.active?.text() ?? '' },
});
/** @type {any} */ (globalThis).bottleship = bottleship;
listen(host, bottleship);

// What it has said already is heard by all of the above.
start();

if ('serviceWorker' in navigator && location.protocol !== 'file:') {
  // After the first start, so that it competes neither for the line nor for the processor.
  void host.spoken.then(() => navigator.serviceWorker.register(scriptUrl('./sw.js'), { scope: './' })).catch((error) => console.warn(`offline use is not set up: ${error.message}`));
}
