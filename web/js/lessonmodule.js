// The wasm module of lessons, drills and classes (web/lesson), which is fetched when the first of them is opened.

/** @typedef {typeof import('bottleship-lesson-wasm')} LessonModule */

/** @type {Promise<LessonModule> | null} */
let module = null;

/** The lessons' module, fetched once. @returns {Promise<LessonModule>} */
export function lessonModule() {
  module ??= import('bottleship-lesson-wasm').then(async (loaded) => {
    await loaded.default({ module_or_path: new URL(BOTTLESHIP_LESSON_WASM, import.meta.url) });
    return loaded;
  });
  // Without a network now, it may be there at the next try.
  module.catch(() => (module = null));
  return module;
}
