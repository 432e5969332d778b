// What a command began may be there only later: a server answers when it has started, and no event says so.

/** Seconds after a command at which the host is looked at again. */
const AT = [1, 3, 6, 12, 25, 50];

export class Later {
  /** @type {number[]} */ #timers = [];
  #act;
  #there;

  /** @param {() => void} act @param {() => boolean} there whether it is still wanted */
  constructor(act, there) {
    this.#act = act;
    this.#there = there;
  }

  /** A command has ended. */
  begin() {
    this.stop();
    this.#timers = AT.map((seconds) => window.setTimeout(() => this.#there() && this.#act(), seconds * 1000));
  }

  stop() {
    this.#timers.forEach(clearTimeout);
  }
}
