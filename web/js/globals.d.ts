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
  import type { Lesson } from './lessonhost.js';
  export default function init(options?: { module_or_path?: URL }): Promise<unknown>;
  export const BottleshipLesson: {
    load(source: string, seed: string, translation?: string, progress?: string): Lesson;
    draw(bank: string, id: string, seed: string): Lesson;
  };
  export function daily(all: string, date: string): string;
  export function deckNext(kept: string, ids: string, now: number): string | undefined;
  export function deckRecord(kept: string, id: string, attempt: string, now: number): string;
  export function golf(lines: string, par: number): string;
  export function resultFile(learner: string, code: string | undefined, taken: string, now: number): string;
  export class BottleshipClass {
    static of(code?: string): BottleshipClass;
    tooLarge(file: string, bytes: number): boolean;
    add(file: string, text: string): void;
    refuse(file: string, reason: string): void;
    report(): string;
    csv(): string;
    html(): string;
  }
}
