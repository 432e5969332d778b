// Stands in for the wasm module of the lessons: it can name what there is, and takes none.
export default async function init() {}

export class BottleshipLesson {
  static load() {
    throw new Error('the double of the engine takes no lessons');
  }
}

/** @param {string} source */
export const lessonHeading = (source) => JSON.stringify({ title: `A lesson of ${source.length} bytes`, summary: 'As the double sees it.', level: 'beginner', minutes: 1 });
export const bankContents = () => JSON.stringify({ topic: 'double', title: 'Of the double', drills: [] });
