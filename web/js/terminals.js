// The terminal pane: tabs, each an xterm on a pty of the Docker host.
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { announce } from './announce.js';
import { ask } from './dialog.js';
import { h, icon } from './dom.js';
import * as settings from './settings.js';

/** @import { Host } from './host.js' */

/** Input is cut into pieces: the pty's buffer is bounded, and a paste must not block the worker. */
const PIECE = 16 * 1024;
const TITLE_MAX = 256;
const encoder = new TextEncoder();

/**
 * Text as a paste may be: no control characters but tab and line ends, so that nothing pasted can end the bracket
 * around it or press keys of its own.
 * @param {string} text
 */
export function harmless(text) {
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '').replace(/\r?\n/g, '\r');
}

/** Whether a link of the terminal may be offered. @param {string} target */
export function isWebLink(target) {
  return URL.canParse(target) && /^https?:$/.test(new URL(target).protocol);
}

/** xterm's colours are the page's tokens. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const token = (/** @type {string} */ name) => style.getPropertyValue(`--term-${name}`).trim();
  return {
    background: token('bg'), foreground: token('text'), cursor: token('cursor'), cursorAccent: token('bg'), selectionBackground: token('sel'),
    black: token('line'), brightBlack: token('dim'), red: token('err'), brightRed: token('err'), green: token('ok'), brightGreen: token('prompt'),
    yellow: token('warn'), brightYellow: token('warn'), blue: token('info'), brightBlue: token('info'), magenta: '#d7a6f0', brightMagenta: '#e3bdf6',
    cyan: token('prompt'), brightCyan: token('prompt'), white: token('text'), brightWhite: token('cursor'),
  };
}

/** One tab. */
export class Tab {
  /** The host's terminal, null while it is not there. @type {number | null} */ pty = null;
  /** Typed before the host answered. */ early = '';
  ended = false;
  /** Lines where commands began. @type {import('@xterm/xterm').IMarker[]} */ marks = [];

  /** @param {Terminals} pane @param {number} number */
  constructor(pane, number) {
    this.pane = pane;
    this.name = `Terminal ${number}`;
    this.xterm = new Terminal({
      fontFamily: 'ui-monospace, "SF Mono", Menlo, "Cascadia Mono", Consolas, "DejaVu Sans Mono", monospace',
      fontSize: pane.fontSize(), lineHeight: 1.2, scrollback: 5000, cursorBlink: false, cursorStyle: 'block', cursorInactiveStyle: 'outline',
      screenReaderMode: settings.get().screenReader, theme: theme(), allowProposedApi: false, convertEol: false, drawBoldTextInBrightColors: false,
      minimumContrastRatio: 4.5, rightClickSelectsWord: false, macOptionIsMeta: true, tabStopWidth: 8,
      linkHandler: { activate: (_event, target) => void this.#follow(target), allowNonHttpProtocols: false },
    });
    // Repeating a character (REP) takes as much memory as a program asks for: more than a screen of it is nobody's wish.
    this.xterm.parser.registerCsiHandler({ final: 'b' }, ([count]) => Number(count) > this.xterm.cols * this.xterm.rows);
    this.fit = new FitAddon();
    this.xterm.loadAddon(this.fit);
    this.button = h('button', { role: 'tab', id: `term-tab-${number}`, 'aria-controls': `term-${number}`, onclick: () => pane.show(this) }, this.name);
    this.body = h('div.xbody', { role: 'tabpanel', id: `term-${number}`, 'aria-labelledby': `term-tab-${number}` });
    pane.bodies.append(this.body);
    this.xterm.open(this.body);
    this.xterm.textarea?.setAttribute('aria-label', `${this.name}, Escape twice leaves it`);
    pane.added(this);
    this.xterm.onData((data) => this.send(data));
    this.xterm.onBinary((data) => this.sendBytes(Uint8Array.from(data, (c) => c.charCodeAt(0))));
    this.xterm.onResize(({ cols, rows }) => this.pty !== null && pane.host.post({ t: 'resize', term: this.pty, cols, rows }));
    this.xterm.onTitleChange((title) => (this.button.title = title.slice(0, TITLE_MAX)));
    this.xterm.attachCustomKeyEventHandler((event) => this.#key(event));
    this.body.addEventListener('paste', (event) => this.#paste(event), { capture: true });
  }

  /** @param {string} target */
  async #follow(target) {
    if (!isWebLink(target)) return;
    const yes = await ask({ title: 'Open this link?', body: [h('p.mono.wrap', null, new URL(target).href)], yes: 'Open in a new tab' });
    if (yes) window.open(new URL(target).href, '_blank', 'noopener,noreferrer');
    this.xterm.focus();
  }

  #escapes = 0;

  /** @param {KeyboardEvent} event @returns {boolean} whether the terminal gets the key */
  #key(event) {
    if (event.type !== 'keydown') return true;
    if (event.key === 'F6' || (event.ctrlKey && event.shiftKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown'))) {
      if (event.key !== 'F6') {
        event.preventDefault();
        this.#readCommand(event.key === 'ArrowUp' ? -1 : 1);
      }
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === 'KeyC') {
      event.preventDefault();
      void this.copy();
      return false;
    }
    // The browser pastes into the terminal's text area by itself.
    if (event.ctrlKey && event.shiftKey && event.code === 'KeyV') return false;
    // A program that owns the whole screen (vi) keeps its Escape.
    if (event.key === 'Escape' && this.xterm.buffer.active.type === 'normal') {
      if (event.timeStamp - this.#escapes < 500) {
        this.#escapes = 0;
        this.pane.leave();
        return false;
      }
      this.#escapes = event.timeStamp;
    }
    if (event.key === 'Enter' && this.xterm.buffer.active.type === 'normal') {
      const mark = this.xterm.registerMarker(0);
      if (mark) this.marks = [...this.marks.slice(-200), mark];
    }
    return true;
  }

  #at = -1;

  /** Shows and reads out the command block before or after the one read last. @param {number} step */
  #readCommand(step) {
    const marks = this.marks.filter((m) => !m.isDisposed);
    if (!marks.length) return;
    if (this.#at < 0 || this.#at > marks.length) this.#at = marks.length;
    this.#at = Math.min(marks.length - 1, Math.max(0, this.#at + step));
    const from = marks[this.#at].line;
    const to = marks[this.#at + 1]?.line ?? this.xterm.buffer.active.baseY + this.xterm.buffer.active.cursorY;
    this.xterm.scrollToLine(from);
    this.xterm.selectLines(from, Math.max(from, to - 1));
    announce(this.lines(from, Math.min(to, from + 40)).join('\n'));
  }

  /** @param {number} from @param {number} to */
  lines(from, to) {
    const lines = [];
    for (let y = from; y < to; y++) {
      const line = this.xterm.buffer.active.getLine(y);
      const text = line?.translateToString(true) ?? '';
      if (line?.isWrapped && lines.length) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines;
  }

  /** Everything the terminal still has, wrapped lines joined. */
  text() {
    const lines = this.lines(0, this.xterm.buffer.active.length);
    while (lines.length && !lines.at(-1)) lines.pop();
    return lines.join('\n');
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData('text/plain') ?? '');
  }

  /** @param {string} text */
  paste(text) {
    const clean = harmless(text);
    if (!clean) return;
    this.xterm.paste(clean);
  }

  async copy() {
    const text = this.xterm.getSelection();
    if (!text) return;
    try {
      await navigator.clipboard.writeText(text);
      announce('Copied.');
    } catch {
      announce('The browser refused the clipboard.', 'assertive');
    }
  }

  /** @param {string} typed */
  send(typed) {
    const data = this.pane.transform(typed);
    if (data.includes('\r')) this.pane.entered(this);
    if (this.ended) {
      if (data.includes('\r')) this.open();
      return;
    }
    if (this.pty === null) {
      this.early += data;
      // The line as it will be, until the shell echoes it itself.
      if (/^[\x20-\x7e]+$/.test(data)) this.xterm.write(data);
      return;
    }
    this.sendBytes(encoder.encode(data));
  }

  /** @param {Uint8Array} bytes */
  sendBytes(bytes) {
    if (this.pty === null) return;
    for (let at = 0; at < bytes.length; at += PIECE) {
      const data = bytes.slice(at, at + PIECE);
      this.pane.host.post({ t: 'in', term: this.pty, data }, [data.buffer]);
    }
  }

  /** Opens a shell of the host in this tab. */
  open() {
    this.ended = false;
    this.xterm.reset();
    this.marks = [];
    const { host } = this.pane;
    const term = host.open(this.xterm.cols, this.xterm.rows, {
      out: (data) => {
        // For measuring how long it takes until one can type.
        if (!performance.getEntriesByName('bottleship:prompt').length) performance.mark('bottleship:prompt');
        this.xterm.write(data, () => host.post({ t: 'ack', term, bytes: data.length }));
        this.pane.heard(data);
      },
      closed: (exitCode) => {
        this.pty = null;
        this.ended = true;
        this.xterm.write(`\r\n\x1b[2mThe shell ended with exit code ${exitCode}. Press Enter for a new one.\x1b[0m\r\n`);
        announce(`The shell of ${this.name} ended with exit code ${exitCode}.`);
      },
    });
    this.pty = term;
    if (this.early) {
      const early = this.early;
      this.early = '';
      this.send(early);
    }
  }

  /** Says something of the page's own, and has the shell show its prompt again. @param {string} message */
  say(message) {
    this.xterm.write(`\r\n\x1b[2m${harmless(message).replaceAll('\r', ' ')}\x1b[0m\r\n`);
    this.sendBytes(encoder.encode('\r'));
  }

  /** The host is gone. @param {string} message */
  lost(message) {
    if (this.pty === null && !message) return;
    this.pty = null;
    this.early = '';
    if (message) this.xterm.write(`\r\n\x1b[31m${message}\x1b[0m\r\n`);
  }

  dispose() {
    if (this.pty !== null) this.pane.host.close(this.pty);
    this.xterm.dispose();
    this.button.remove();
    this.body.remove();
  }
}

export class Terminals {
  /** @type {Tab[]} */ tabs = [];
  /** @type {Tab | null} */ active = null;
  /** Told of all output. @type {(data: Uint8Array) => void} */ heard = () => {};
  /** Told of Enter. @type {(tab: Tab) => void} */ entered = () => {};
  /** Told of a new tab. @type {(tab: Tab) => void} */ added = () => {};
  /** Changes what is typed. @type {(data: string) => string} */ transform = (data) => data;
  #number = 1;
  #ready = false;

  /** @param {Host} host @param {{ leave: () => void }} options `leave`: where the focus goes on Escape Escape */
  constructor(host, { leave }) {
    this.host = host;
    this.leave = leave;
    this.bodies = h('div.xbodies', null);
    this.list = h('div.row.tlist', { role: 'tablist', 'aria-label': 'Terminals', onkeydown: (/** @type {KeyboardEvent} */ e) => this.#tabKey(e) });
    this.closeButton = h('button.tclose', { 'aria-label': 'Close this terminal', title: 'Close this terminal', onclick: () => this.close() }, icon('close', 14));
    this.actions = h('div.row.tactions', null);
    this.below = h('div.tbelow', null);
    this.element = h(
      'section.term',
      { id: 'term', 'aria-label': 'Terminal' },
      h('div.tbar', null, this.list, h('button', { 'aria-label': 'New terminal', title: 'New terminal', onclick: () => this.add().xterm.focus() }, icon('plus', 14)), h('span.grow', null), this.actions, this.closeButton),
      this.bodies,
      this.below,
    );
    settings.onChange(() => this.#restyle());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => requestAnimationFrame(() => this.#restyle()));
    let frame = 0;
    new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.refit());
    }).observe(this.bodies);
  }

  fontSize() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
    return Math.round(rem * (matchMedia('(max-width: 599px)').matches ? 0.75 : 0.8125));
  }

  #restyle() {
    const colours = theme();
    for (const { xterm } of this.tabs) {
      xterm.options.theme = colours;
      xterm.options.screenReaderMode = settings.get().screenReader;
      xterm.options.fontSize = this.fontSize();
    }
    this.refit();
  }

  refit() {
    const body = this.active?.body;
    if (body?.clientWidth && body.clientHeight) this.active?.fit.fit();
  }

  /** @param {KeyboardEvent} event */
  #tabKey(event) {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step || !this.active) return;
    event.preventDefault();
    const next = this.tabs[(this.tabs.indexOf(this.active) + step + this.tabs.length) % this.tabs.length];
    this.show(next);
    next.button.focus();
  }

  add() {
    const tab = new Tab(this, this.#number++);
    this.tabs.push(tab);
    this.list.append(tab.button);
    this.show(tab);
    if (this.#ready) tab.open();
    else tab.xterm.write('\x1b[2mLinux is starting. You can type now; it runs as soon as Docker answers.\x1b[0m\r\n\x1b[32m~ $\x1b[0m ');
    return tab;
  }

  /** @param {Tab} tab */
  show(tab) {
    this.active = tab;
    for (const t of this.tabs) {
      t.button.setAttribute('aria-selected', String(t === tab));
      t.button.tabIndex = t === tab ? 0 : -1;
      t.body.hidden = t !== tab;
    }
    this.closeButton.hidden = this.tabs.length < 2;
    this.refit();
  }

  close() {
    const tab = this.active;
    if (!tab || this.tabs.length < 2) return;
    const at = this.tabs.indexOf(tab);
    this.tabs.splice(at, 1);
    tab.dispose();
    this.show(this.tabs[Math.min(at, this.tabs.length - 1)]);
    this.focus();
  }

  /** The host answers: every tab gets its shell. */
  ready() {
    this.#ready = true;
    for (const tab of this.tabs) tab.open();
  }

  /** @param {string} message said in every tab */
  lost(message) {
    this.#ready = false;
    for (const tab of this.tabs) tab.lost(message);
  }

  focus() {
    this.active?.xterm.focus();
  }

  /**
   * Types into the active terminal, as every button that acts does.
   * @param {string} command @param {{ run?: boolean }} [options] `run`: and presses Enter
   */
  type(command, { run = true } = {}) {
    if (!this.active) return;
    this.active.xterm.scrollToBottom();
    this.active.send(command + (run ? '\r' : ''));
    this.focus();
  }
}
