// A lesson in the worker: the engine's object, and what is needed to make it again. Going back in time takes the object's
// memory with the machine; the learner's progress stays, as it is not the machine's.

/**
 * @typedef {object} Lesson the engine's class BottleshipLesson
 * @property {() => string} model @property {() => string} state @property {() => Promise<void>} start
 * @property {() => Promise<string>} evaluate @property {(task: string) => string | undefined} hint
 * @property {(task: string) => string | undefined} solution @property {(task: string) => boolean} skip
 * @property {(quiz: number, chosen: Uint32Array) => string} answer @property {() => string} progress
 * @property {() => string} commands
 */

export class LessonHost {
  /** @type {Lesson | null} */ #lesson = null;
  /** @type {[source: string, seed: string, translation?: string] | null} */ #file = null;
  #progress = '';
  #make;

  /** @param {(source: string, seed: string, translation?: string, progress?: string) => Lesson} make */
  constructor(make) {
    this.#make = make;
  }

  /** The machine was exchanged: the object is not in the new one's memory. */
  forget() {
    this.#lesson = null;
  }

  #open() {
    if (!this.#file) throw new Error('no lesson is open');
    this.#lesson ??= this.#make(...this.#file, this.#progress || undefined);
    return this.#lesson;
  }

  /** @param {string} verb @param {any[]} args @returns {Promise<{ value: unknown, progress: string }>} */
  async call(verb, args) {
    const value = await this.#do(verb, args);
    if (this.#lesson) this.#progress = this.#lesson.progress();
    return { value, progress: this.#progress };
  }

  /** @param {string} verb @param {any[]} args */
  async #do(verb, args) {
    if (verb === 'load') {
      const [source, seed, translation, progress] = args;
      this.#lesson = null;
      this.#file = [source, seed, translation ?? undefined];
      this.#progress = progress ?? '';
    }
    const lesson = this.#open();
    const state = () => JSON.parse(lesson.state());
    switch (verb) {
      case 'load':
        return { model: JSON.parse(lesson.model()), state: state() };
      case 'start':
        await lesson.start();
        return state();
      case 'look':
        return JSON.parse(await lesson.evaluate());
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
        return JSON.parse(lesson.commands());
      case 'note':
        return undefined;
      default:
        throw new Error(`a lesson has no ${verb}`);
    }
  }
}
