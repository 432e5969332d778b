// What is known of the thing that is open, and the commands that act on it.
import { ask } from '../dialog.js';
import { h, icon } from '../dom.js';
import { count, duration, quote, shortId, size } from '../units.js';
import { published } from '../preview/preview.js';
import { slabName, state, stateWords, stopped, volumeName } from './shapes.js';

/** @import { Model } from '../model.js' */
/** @import { Thing } from './shapes.js' */

/** @typedef {{ close: () => void, type: (command: string, options?: { run?: boolean }) => void, saveImage: (name: string) => void, changes: (id: string) => Promise<{ Kind: number, Path: string }[]>, preview: (port: number) => void, openFiles: (image: string, layer: string | null, container: string | null) => void, processes: (id: string) => Promise<{ Titles: string[], Processes: string[][] }> }} Actions */

/** @param {Thing} thing */
export function keyOf(thing) {
  switch (thing.kind) {
    case 'layer':
      return `l:${thing.slab.top.key}`;
    case 'image':
      return `i:${thing.image.id}`;
    case 'container':
      return `c:${thing.container.id}`;
    case 'volume':
      return `v:${thing.name}`;
    case 'network':
      return `n:${thing.name}`;
    case 'fold':
      return thing.fold.key;
    case 'pull':
      return `r:${thing.name}`;
  }
}

/** @param {[string, any][]} pairs */
const facts = (pairs) => h('dl', null, pairs.filter(([, v]) => v !== '' && v !== null).map(([k, v]) => [h('dt', null, k), h('dd', null, v)]));

/** A command on a button: it is typed into the terminal where everyone sees it. @param {Actions} actions @param {string} command */
const commandButton = (actions, command) => h('button.btn.sm.cmd', { onclick: () => actions.type(command), title: 'Types this into the terminal' }, h('code', null, command));

/** What runs in a container, once it is known. @param {Promise<{ Titles: string[], Processes: string[][] }>} asked */
function processes(asked) {
  const box = h('div.procs', null, h('h3', null, 'Processes'));
  asked.then(
    ({ Titles, Processes }) => {
      const [pid, name] = [Titles.indexOf('PID'), Math.max(Titles.indexOf('COMMAND'), Titles.indexOf('CMD'), Titles.length - 1)];
      box.append(h('ul', null, Processes.slice(0, 20).map((p) => h('li', null, h('span.num.dim', null, p[pid]), ' ', h('code.cut', { title: p[name] }, p[name])))));
      if (Processes.length > 20) box.append(h('p.dim.s12', null, `and ${Processes.length - 20} more`));
    },
    () => box.remove(),
  );
  return box;
}

/**
 * @param {Thing} thing @param {Model} model @param {Actions} actions
 * @returns {HTMLElement}
 */
export function factsPanel(thing, model, actions) {
  /** @type {(HTMLElement | null)[]} */
  let body = [];
  let title = '';
  switch (thing.kind) {
    case 'layer': {
      const { slab } = thing;
      const on = model.images.filter((i) => slab.top.key && i.layers.includes(slab.top));
      title = slabName(slab);
      body = [
        facts([
          ['Made by', slab.layers.length === 1 ? h('code.wrap', null, slab.top.createdBy || 'unknown') : h('ul.made', null, slab.layers.map((l) => h('li', null, h('code.wrap', null, l.createdBy), ` ${size(l.size)}`)))],
          ['Size', size(slab.size)],
          ['In', on.map((i) => i.names[0]).join(', ')],
          ['Used by', on.flatMap((i) => i.containers.map((c) => c.name)).join(', ') || 'no container'],
          ['Layer ID', h('code', { title: slab.top.diffId }, shortId(slab.top.diffId))],
        ]),
        h('div.cmds', null, on.length ? h('button.btn.sm', { onclick: () => actions.openFiles(on[0].id, slab.top.key, null) }, icon('folder', 14), 'Its files') : null),
      ];
      break;
    }
    case 'image': {
      const { image } = thing;
      const named = image.names[0] !== '<none>';
      const name = named ? image.names[0] : shortId(image.id);
      title = image.names[0];
      body = [
        facts([
          ['Tags', image.names.length > 1 ? image.names.join(', ') : ''],
          ['Size', `${size(image.size)} in ${count(image.layers.length, 'layer')}`],
          ['Made', `${duration(Date.now() / 1000 - image.created)} ago`],
          ['Used by', image.containers.map((c) => c.name).join(', ') || 'no container'],
          ['Image ID', h('code', { title: image.id }, shortId(image.id))],
        ]),
        h('div.cmds', null, h('button.btn.sm', { onclick: () => actions.openFiles(image.id, null, null) }, icon('folder', 14), 'Its files'), commandButton(actions, `docker run --rm -it ${quote(name)}`), commandButton(actions, `docker history ${quote(name)}`), commandButton(actions, `docker rmi ${quote(name)}`)),
        h('button.btn.sm', { onclick: () => actions.saveImage(name) }, icon('download', 14), 'Save as a file'),
      ];
      break;
    }
    case 'container': {
      const { container: c } = thing;
      title = c.name;
      const commands = stopped(c)
        ? [`docker start ${c.name}`, `docker logs ${c.name}`, `docker rm ${c.name}`]
        : c.state === 'paused'
          ? [`docker unpause ${c.name}`, `docker stop ${c.name}`]
          : [`docker logs ${c.name}`, `docker exec -it ${c.name} sh`, `docker stop ${c.name}`];
      const changes = h('div.changes', null);
      body = [
        facts([
          ['State', h('span', null, state(c, false), ' ', stateWords(c))],
          ['', c.status],
          ['Command', h('code.wrap', null, c.command)],
          ['Image', c.imageName],
          ['Port', c.ports.join(', ')],
          ['Network', c.networks.join(', ')],
          ...c.mounts.map((m) => /** @type {[string, any]} */ ([m.kind === 'volume' ? 'Volume' : 'Mount', `${volumeName(m.name)} at ${m.destination}`])),
          ['ID', h('code', { title: c.id }, shortId(c.id))],
        ]),
        h('div.cmds', null, published(model).filter((p) => p.name === c.name).map((p) => h('button.btn.sm', { onclick: () => actions.preview(p.port) }, icon('eye', 14), `Preview port ${p.port}`)), model.homeless.includes(c) ? null : h('button.btn.sm', { onclick: () => actions.openFiles(c.imageId, null, c.id) }, icon('folder', 14), 'Its files'), commands.map((x) => commandButton(actions, x))),
        stopped(c) ? null : processes(actions.processes(c.id)),
        h('h3', null, `Writable layer, ${size(c.sizeRw)}`),
        changes,
      ];
      actions.changes(c.id).then(
        (all) => {
          if (!all.length) return changes.append(h('p.dim.s12', null, 'Nothing written yet: every file is the image’s.'));
          changes.append(h('ul.tree', null, all.slice(0, 200).map((x) => h('li.r', null, h(`span.op.${['m', 'a', 'd'][x.Kind] ?? 'm'}`, { title: ['changed', 'added', 'deleted'][x.Kind] }, ['~', '+', '−'][x.Kind] ?? '~'), h('span.cut', null, x.Path)))));
          if (all.length > 200) changes.append(h('p.dim.s12', null, `and ${all.length - 200} more: docker diff ${c.name}`));
        },
        () => changes.append(h('p.dim.s12', null, `docker diff ${c.name} has no answer.`)),
      );
      break;
    }
    case 'volume': {
      const v = model.volumes.find((x) => x.name === thing.name);
      title = volumeName(thing.name);
      body = [
        facts([
          ['Size', v && v.size >= 0 ? size(v.size) : ''],
          ['Used by', v?.containers.map((c) => c.name).join(', ') || 'no container'],
          ['Name', h('code.wrap', null, thing.name)],
        ]),
        h('div.cmds', null, commandButton(actions, `docker volume inspect ${quote(thing.name)}`), v?.containers.length ? null : commandButton(actions, `docker volume rm ${quote(thing.name)}`)),
      ];
      break;
    }
    case 'network': {
      const n = model.networks.find((x) => x.name === thing.name);
      title = thing.name;
      body = [facts([['Driver', n?.driver ?? ''], ['Connected', n?.containers.map((c) => c.name).join(', ') || 'nothing']]), h('div.cmds', null, commandButton(actions, `docker network inspect ${quote(thing.name)}`))];
      break;
    }
  }
  return h('aside.facts', { 'aria-label': `About ${title}` }, h('div.row', null, h('h2.cut', { title }, title), h('span.grow', null), h('button.btn.ghost.icon.sm', { 'aria-label': 'Close', onclick: actions.close }, icon('close'))), body);
}

/** @param {string} what @param {string} name */
export const sure = (what, name) => ask({ title: `${what} ${name}?`, yes: what, danger: true });
