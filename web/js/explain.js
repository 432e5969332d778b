// Docker's errors in plain words. Docker's message stays verbatim in the terminal; this says one cause and offers one command.

/** @typedef {{ title: string, text: string, command?: string }} Explanation */

/** @type {[RegExp, (m: RegExpExecArray) => Explanation][]} */
const KNOWN = [
  [/Conflict\. The container name "\/?([^"]+)" is already in use/, (m) => ({ title: `There is already a container called ${m[1]}.`, text: '`run` always makes a new one.', command: `docker start ${m[1]}` })],
  [/Bind for \S*?:(\d+) failed: port is already allocated/, (m) => ({ title: `Something holds port ${m[1]}.`, text: 'Stop it, or publish another.', command: 'docker ps' })],
  [/pull access denied for ([^,\s]+)|manifest for (\S+) not found|manifest unknown/, (m) => ({ title: `No image called ${m[1] ?? m[2] ?? 'that'} here.`, text: 'Look at the spelling of the name and of the tag.' })],
  [/no space left on device/, () => ({ title: 'The disk of this host is full.', text: 'Nothing is broken. Ask Docker what it could give back, then remove something.', command: 'docker system df' })],
  [/exec: "([^"]+)": executable file not found in \$PATH/, (m) => ({ title: `The image has no program called ${m[1]}.`, text: 'Small images often have sh but not bash.' })],
  [/conflict: unable to (?:remove repository reference|delete) .*?container ([0-9a-f]{12})/, (m) => ({ title: 'A container still stands on this image.', text: 'Remove the container first.', command: `docker rm ${m[1]}` })],
  [/(?:cannot remove container|You cannot remove a running container|container is running: stop the container)/, () => ({ title: 'The container is running.', text: 'Stop it first, or remove it with -f.' })],
  [/failed to read dockerfile: open (\S+): no such file/, () => ({ title: 'There is no Dockerfile in that folder.', text: 'Change to the folder that has it, or name it with -f.', command: 'ls' })],
  [/No such container: (\S+)/, (m) => ({ title: `There is no container called ${m[1]}.`, text: 'See which there are, also the stopped ones.', command: 'docker ps -a' })],
];

/** Only the end of the output matters, and an escape sequence doesn't. */
const TAIL = 2000;

export class Explainer {
  #tail = '';
  #decoder = new TextDecoder();

  /** @param {Uint8Array} data @returns {Explanation | null} */
  hear(data) {
    const text = this.#decoder.decode(data.length > TAIL ? data.subarray(-TAIL) : data, { stream: true }).replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
    this.#tail = (this.#tail + text).slice(-TAIL);
    if (!text.includes('\n')) return null;
    for (const [pattern, explain] of KNOWN) {
      const m = pattern.exec(this.#tail);
      if (m) {
        this.#tail = '';
        return explain(m);
      }
    }
    return null;
  }

  clear() {
    this.#tail = '';
  }
}
