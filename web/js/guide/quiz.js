// A question of a lesson.
import { announce } from '../announce.js';
import { fill, h } from '../dom.js';
import { blocks, inlines } from './blocks.js';

/** @import { Acts } from './blocks.js' */
/** @import { Inline, Reply } from './types.js' */

/**
 * @param {number} quiz @param {Inline[][]} choices @param {boolean} many
 * @param {Acts} acts @param {(quiz: number, chosen: number[]) => Promise<Reply>} answer
 */
export function quizElement(quiz, choices, many, acts, answer) {
  const name = `quiz-${quiz}`;
  const boxes = choices.map((_, i) => h('input', { type: many ? 'checkbox' : 'radio', name, value: i }));
  const reply = h('div.reply', { 'aria-live': 'polite' });
  const button = h('button.btn.sm', { type: 'submit', disabled: true }, 'Check');
  const form = h(
    'form.quiz',
    { 'aria-label': `Question ${quiz + 1}` },
    h('p.s13.t2', null, many ? 'Choose all that are right.' : 'Choose one.'),
    choices.map((choice, i) => h('label', null, boxes[i], h('span', null, inlines(choice)))),
    h('div.row', null, button),
    reply,
  );
  form.addEventListener('change', () => {
    button.disabled = !boxes.some((box) => box.checked);
    fill(reply);
    form.classList.remove('right', 'wrong');
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const chosen = boxes.flatMap((box, i) => (box.checked ? [i] : []));
    void answer(quiz, chosen).then(({ right, says }) => {
      form.classList.toggle('right', right);
      form.classList.toggle('wrong', !right);
      fill(reply, h('b', null, right ? 'Right.' : 'Not quite.'), blocks(says, acts));
    }, (error) => announce(error.message, 'assertive'));
  });
  return form;
}
