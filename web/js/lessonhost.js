// A lesson in the worker. It is in a wasm module of its own, fetched when the first lesson is opened; the engine's module
// only has what it looks at. So going back in time, which exchanges the engine's memory, leaves the learner's progress.

import { lessonModule } from './lessonmodule.js';

/**
 * @typedef {object} World the engine's class BottleshipWorld
 * @property {() => string} commands
 *
 * @typedef {object} Lesson the class BottleshipLesson of the lessons' module
 * @property {() => string} model @property {() => string} state @property {(world: World) => Promise<void>} start
 * @property {(world: World) => Promise<string>} evaluate @property {(task: string) => string | undefined} hint
 * @property {(task: string) => string | undefined} solution @property {(task: string) => boolean} skip
 * @property {(quiz: number, chosen: Uint32Array) => string} answer @property {() => string} progress
 * @property {() => string | undefined} drill of a drill, what is shown beside its text
 */

export class LessonHost {
  /** @type {Lesson | null} */ #lesson = null;
  #world;

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
  }

  /** @param {string} verb @param {any[]} args @returns {Promise<{ value: unknown, progress: string }>} */
  async call(verb, args) {
    const value = await this.#do(verb, args);
    return { value, progress: this.#lesson?.progress() ?? '' };
  }

  /** @param {string} verb @param {any[]} args */
  async #do(verb, args) {
    if (verb === 'load') {
      const [source, seed, translation, progress] = args;
      this.#lesson = null;
      const { BottleshipLesson } = await lessonModule();
      this.#lesson = BottleshipLesson.load(source, seed, translation ?? undefined, progress || undefined);
    }
    if (verb === 'draw') {
      const [bank, id, seed] = args;
      this.#lesson = null;
      const { BottleshipLesson } = await lessonModule();
      this.#lesson = BottleshipLesson.draw(bank, id, seed);
    }
    const lesson = this.#lesson;
    if (!lesson) throw new Error('no lesson is open');
    const state = () => JSON.parse(lesson.state());
    switch (verb) {
      case 'load':
        return { model: JSON.parse(lesson.model()), state: state() };
      case 'draw':
        return { model: JSON.parse(lesson.model()), state: state(), drill: JSON.parse(lesson.drill() ?? 'null') };
      case 'start':
        await lesson.start(this.#world);
        return state();
      case 'look':
        return JSON.parse(await lesson.evaluate(this.#world));
      case 'hint':
        lesson.hint(args[0]);
        return state();
      case 'solution':
        return lesson.solution(args[0]) ?? '';
      case 'skip':
        lesson.skip(args[0]);
        return state();
      case 'answer':
        return { reply: JSON.parse(lesson.answer(args[0], Uint32Array.from(args[1]))), state: state() };
      case 'commands':
        return JSON.parse(this.#world.commands());
      default:
        throw new Error(`a lesson has no ${verb}`);
    }
  }
}
