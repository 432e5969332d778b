// What is typed into the terminals, as commands: the shell marks its prompt (OSC 133), so that it is known what was
// entered and when it has ended.

/** @import { Tab } from './terminals.js' */

/** Enter before a prompt came is for that prompt when it is no older, in ms. */
const AHEAD = 1500;

/**
 * @typedef {object} Follow
 * @property {import('@xterm/xterm').IMarker | undefined} line where the prompt ends
 * @property {number} column
 * @property {string[]} lines of the command that were entered
 * @property {boolean} more the shell asks for more of it
 * @property {number} enters Enter keys that no command took yet
 * @property {number} at when the last was pressed
 */

export class Commands {
  /** @type {WeakMap<Tab, Follow>} */ #follows = new WeakMap();
  /** A command began to run. @type {(command: string) => void} */ began = () => {};
  /** A prompt is there; `command` is what ended, nothing when there was none. @type {(command: string, tab: Tab) => void} */ ended = () => {};

  /** @param {Tab} tab */
  follow(tab) {
    /** @type {Follow} */
    const f = { line: undefined, column: 0, lines: [], more: false, enters: 0, at: 0 };
    this.#follows.set(tab, f);
    const { xterm } = tab;
    xterm.parser.registerOscHandler(133, (data) => {
      if (data.startsWith('A')) {
        const command = f.lines.join('\n').trim();
        f.lines = [];
        f.more = false;
        f.line = undefined;
        if (performance.now() - f.at > AHEAD) f.enters = 0;
        this.ended(command, tab);
      } else if (data.startsWith('P')) f.more = true;
      else if (data.startsWith('B')) {
        f.line = xterm.registerMarker(0);
        f.column = xterm.buffer.active.cursorX;
      }
      return true;
    });
    xterm.onLineFeed(() => {
      if (!f.line || f.line.isDisposed || !f.enters) return;
      const buffer = xterm.buffer.active;
      const last = buffer.baseY + buffer.cursorY - 1;
      // The shell breaks a line itself where it is as wide as the terminal.
      const width = buffer.getLine(last)?.translateToString(true).length ?? 0;
      if (width >= xterm.cols && !buffer.getLine(last + 1)?.isWrapped) return;
      let text = '';
      for (let y = f.line.line; y <= last; y++) text += (buffer.getLine(y)?.translateToString(y === last, y === f.line.line ? f.column : 0) ?? '');
      f.lines.push(text.trimEnd());
      f.line = undefined;
      f.enters--;
      this.began(f.lines.join('\n'));
    });
  }

  /** Enter was pressed. @param {Tab} tab */
  entered(tab) {
    const f = this.#follows.get(tab);
    if (!f) return;
    f.enters++;
    f.at = performance.now();
  }
}
