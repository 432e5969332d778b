/**
 * What the engine says of a lesson (engine/lesson, as JSON).
 *
 * @typedef {{ type: 'text', text: string } | { type: 'code', text: string } | { type: 'break' }
 *   | { type: 'emphasis' | 'strong' | 'strikethrough', children: Inline[] }
 *   | { type: 'link', to: string, children: Inline[] } | { type: 'image', src: string, alt: string }} Inline
 * @typedef {{ language: string, text: string, run: string | null, saveAs: string | null, copy: boolean, terminal: number, line: number }} Fence
 * @typedef {{ type: 'heading', level: number, id: string, children: Inline[] } | { type: 'paragraph', children: Inline[] }
 *   | ({ type: 'fence' } & Fence) | { type: 'quote', children: Block[] } | { type: 'list', start: number | null, items: Block[][] }
 *   | { type: 'table', head: Inline[][], rows: Inline[][][] } | { type: 'rule' }
 *   | { type: 'quiz', quiz: number, choices: Inline[][], many: boolean } | { type: 'task', task: string }} Block
 * @typedef {{ id: string, title: Inline[], points: number, needs: string[], goals: string[], hints: number }} Task
 * @typedef {{ title: string, summary: string, level: string, minutes: number, lang: string, blocks: Block[], tasks: Task[], points: number, variables: [string, string][] }} Model
 * @typedef {{ ok: boolean, why?: string, goal?: string }} Outcome
 * @typedef {{ id: string, stage: 'waiting' | 'now' | 'done' | 'skipped', checks: Outcome[], nudges: Inline[][], hints: Inline[][], moreHints: number, solvedFor: boolean }} TaskState
 * @typedef {{ tasks: TaskState[], news: string[], points: number, ofPoints: number, finished: boolean, quizzes: ('open' | 'right' | 'wrong')[] }} State
 * @typedef {{ right: boolean, says: Block[] }} Reply
 */
export {};
