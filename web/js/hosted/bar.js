// What the page says of where it runs: the offer to go on with real Linux, the session's clock, the place in the queue.
import { announce } from '../announce.js';
import { ask } from '../dialog.js';
import { fill, h, icon } from '../dom.js';
import { download } from '../download.js';
import { HostedHost, offered } from './hosted.js';
import { collect, leave, pack, unpack } from './move.js';

/** @import { Host } from '../host.js' */

/** The end is near, in seconds: the clock says so aloud. */
const WARN = 60;

/** @param {number} seconds */
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

/**
 * @param {Host} host
 * @param {{ where: HTMLElement, actions: HTMLElement, notice: HTMLElement, commands: () => string[] }} page
 */
export function placeBar(host, page) {
  const hosted = host instanceof HostedHost ? host : null;
  const line = h('div.hostedline', { role: 'status' });
  page.notice.before(line);

  /** @param {'warn' | 'bad'} kind @param {import('../dom.js').Child[]} words */
  const say = (kind, ...words) => fill(line, words.length ? h(`div.banner.${kind}`, null, icon('warn'), h('span.grow', null, words)) : null);

  /** Goes to the other host with what is here. @param {'hosted' | 'tab'} to */
  const move = async (to) => {
    const real = to === 'hosted';
    const yes = await ask({
      title: real ? 'Continue on real Linux?' : 'Go back to the tab?',
      body: [`Your images, the files of /root and the list of your commands (${real ? 'as /root/commands.txt' : '/root/commands.txt'}) go along. ${real ? 'They are sent to this site’s server, whose session ends after a time. What is in this tab stays.' : 'Containers end with the session.'}`],
      yes: real ? 'Continue on real Linux' : 'Go back',
    });
    if (!yes) return;
    try {
      say('warn', 'Packing images and files…');
      await leave(to, await pack(host, page.commands()));
    } catch (error) {
      return say('bad', `Nothing was moved: ${/** @type {Error} */ (error).message}`);
    }
    if (hosted) await hosted.end();
    location.hash = real ? '#hosted' : '';
    location.reload();
  };

  const arrived = async () => {
    if (host.state.state !== 'ready') return;
    try {
      const parcel = await collect(hosted ? 'hosted' : 'tab');
      if (!parcel) return;
      say('warn', 'Unpacking images and files…');
      await unpack(host, parcel);
      fill(line);
      announce('Images and files have arrived.');
    } catch (error) {
      say('bad', `Not everything was moved: ${/** @type {Error} */ (error).message}`);
    }
  };
  host.on('state', () => void arrived());
  // It may have been quicker than this part of the page.
  void arrived();

  if (!hosted) {
    void offered().then((offer) => {
      if (!offer) return;
      const full = offer.used >= offer.sessions ? `; all ${offer.sessions} sessions are in use, so that you will wait` : '';
      page.actions.prepend(h('button.btn.ghost.sm.bar-real', { title: `A session with the server’s own kernel${full}`, onclick: () => void move('hosted') }, icon('out', 14), 'Real Linux'));
    });
    return;
  }

  const left = h('b.num', { role: 'timer', 'aria-live': 'off' });
  let warned = false;
  const tick = () => {
    const seconds = Math.max(0, (hosted.ends - Date.now()) / 1000);
    page.where.classList.toggle('warn', !!hosted.session && seconds < WARN);
    left.textContent = hosted.session ? ` ${clock(seconds)} left` : '';
    if (!hosted.session) warned = false;
    else if (seconds < WARN && !warned) {
      warned = true;
      say('warn', h('b', null, 'The session ends within a minute. '), 'Save what you need: files and images can be downloaded, or taken back to the tab.');
      announce('The session ends within a minute.', 'assertive');
    }
  };
  page.where.classList.add('on-server');
  fill(page.where, icon('lock', 12), 'Real Linux on the server', left);
  setInterval(tick, 1000);
  host.on('clock', tick);
  host.on('queue', (place) => (place ? say('warn', h('b', null, `All sessions are in use: you are number ${place.position} of ${place.queue}. `), 'Yours starts by itself when it is your turn.') : fill(line)));
  host.on('connected', (connected) => (connected ? fill(line) : say('warn', 'The connection broke off. It is made again; what runs goes on.')));
  page.actions.prepend(
    h('button.btn.ghost.sm.bar-files', { title: 'Download the files of /root', onclick: () => void save() }, icon('out', 14), 'Files'),
    h('button.btn.ghost.sm.bar-tab', { onclick: () => void move('tab') }, 'Back to the tab'),
  );
  const save = async () => {
    download('files.tar', [/** @type {BlobPart} */ (await hosted.call('export'))]);
  };
}
