// A lesson's text as elements. What comes from its file enters as text nodes and checked addresses, never as markup.
import { h, icon } from '../dom.js';

/** @import { Child } from '../dom.js' */
/** @import { Block, Fence, Inline } from './types.js' */

/** Where a link may lead: another site over TLS, a mail, or a place of this site. @param {string} to */
const harmless = (to) => /^(https:\/\/|mailto:|[^:]*$)/.test(to) && !to.startsWith('//');
/** @param {string} src */
const picture = (src) => /^(data:image\/png[;,]|[^:]*$)/.test(src) && !src.startsWith('//');

/** @param {Inline[]} inlines @returns {Child[]} */
export function inlines(inlines) {
  return inlines.map((part) => {
    switch (part.type) {
      case 'text': return part.text;
      case 'code': return h('code', null, part.text);
      case 'emphasis': return h('em', null, inlinesOf(part));
      case 'strong': return h('strong', null, inlinesOf(part));
      case 'strikethrough': return h('s', null, inlinesOf(part));
      case 'break': return h('br', null);
      case 'image': return picture(part.src) ? h('img', { src: part.src, alt: part.alt }) : part.alt;
      case 'link': {
        if (!harmless(part.to)) return inlinesOf(part);
        const away = part.to.startsWith('https:');
        return h('a', { href: part.to, target: away ? '_blank' : null, rel: away ? 'noopener noreferrer' : null }, inlinesOf(part), away ? h('span.sr', null, ' (opens another site)') : null);
      }
      default: return '';
    }
  });
}

/** @param {{ children: Inline[] }} part */
const inlinesOf = (part) => inlines(part.children);

/**
 * @typedef {object} Acts what the buttons of a lesson do
 * @property {(fence: Fence) => void} run types a fence's commands
 * @property {(fence: Fence) => void} save writes a fence's file
 * @property {(id: string) => Node} task the element of a task
 * @property {(quiz: number, choices: Inline[][], many: boolean) => Node} quiz a question
 */

/** @param {Fence} fence @param {Acts} acts */
export function fenceElement(fence, acts) {
  const short = fence.text.length > 60 ? `${fence.text.slice(0, 57)}…` : fence.text;
  const copy = h('button.run.icononly', { 'aria-label': `Copy ${short}`, title: 'Copy', onclick: () => void navigator.clipboard?.writeText(fence.text) }, icon('copy', 12));
  return h(
    'div.fence',
    { dataset: { lang: fence.language } },
    h('code.grow', null, fence.text),
    fence.copy && !fence.run ? copy : null,
    fence.saveAs !== null ? h('button.run', { onclick: () => acts.save(fence) }, icon('save', 12), `Save as ${fence.saveAs}`) : null,
    fence.run !== null ? h('button.run', { 'aria-label': `Run ${short}`, onclick: () => acts.run(fence) }, icon('play', 10), 'Run') : null,
  );
}

/** @param {Block[]} blocks @param {Acts} acts @returns {Node[]} */
export function blocks(blocks, acts) {
  return blocks.map((block) => {
    switch (block.type) {
      case 'heading': return h(/** @type {'h2'} */ (`h${Math.min(4, Math.max(2, block.level))}`), { id: `l-${block.id}` }, inlinesOf(block));
      case 'paragraph': return h('p', null, inlinesOf(block));
      case 'fence': return fenceElement(block, acts);
      case 'quote': return h('blockquote.note', null, blocksOf(block.children, acts));
      case 'list': {
        const items = block.items.map((item) => h('li', null, blocksOf(item, acts)));
        return block.start === null ? h('ul', null, items) : h('ol', { start: block.start }, items);
      }
      case 'table':
        return h(
          'div.tablewrap',
          { tabindex: 0, role: 'group', 'aria-label': 'Table' },
          h('table', null, h('thead', null, h('tr', null, block.head.map((cell) => h('th', { scope: 'col' }, inlines(cell))))), h('tbody', null, block.rows.map((row) => h('tr', null, row.map((cell) => h('td', null, inlines(cell))))))),
        );
      case 'rule': return h('hr', null);
      case 'quiz': return acts.quiz(block.quiz, block.choices, block.many);
      case 'task': return acts.task(block.task);
      default: return document.createTextNode('');
    }
  });
}

const blocksOf = blocks;
