// Written by build.mjs.
declare const BOTTLESHIP_WORKER: string;
declare const BOTTLESHIP_WASM: string;
declare const BOTTLESHIP_WASM_SIZE: number;
declare const BOTTLESHIP_HOST: string;
declare const BOTTLESHIP_VERSION: string;
declare const BOTTLESHIP_PRECACHE: string[];
declare module 'bottleship-wasm' {
  export default function init(options?: { module_or_path?: WebAssembly.Module }): Promise<unknown>;
  export class BottleshipEngine {}
  export class BottleshipWorld {}
}
declare const BOTTLESHIP_LESSON_WASM: string;
declare module 'bottleship-lesson-wasm' {
  export default function init(options?: { module_or_path?: URL }): Promise<unknown>;
  export class BottleshipLesson {}
}
