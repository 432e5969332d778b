// The text editor, loaded when a file is first opened.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { HighlightStyle, StreamLanguage, bracketMatching, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { dockerFile } from '@codemirror/legacy-modes/mode/dockerfile';
import { shell } from '@codemirror/legacy-modes/mode/shell';
import { yaml } from '@codemirror/legacy-modes/mode/yaml';
import { python } from '@codemirror/legacy-modes/mode/python';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from '@codemirror/view';
import { tags as t } from '@lezer/highlight';

/** @param {string} path @param {string} text */
function language(path, text) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (/^(Dockerfile|Containerfile)(\..*)?$|\.dockerfile$/i.test(name)) return StreamLanguage.define(dockerFile);
  if (/\.json$/.test(name)) return json();
  if (/\.ya?ml$/.test(name)) return StreamLanguage.define(yaml);
  if (/\.py$/.test(name) || /^#!.*python/.test(text)) return StreamLanguage.define(python);
  if (/\.(sh|env)$|^\.(profile|ashrc|bashrc|env)$/.test(name) || /^#!.*sh\b/.test(text)) return StreamLanguage.define(shell);
  return [];
}

const colours = HighlightStyle.define([
  { tag: [t.keyword, t.definitionKeyword, t.controlKeyword], color: 'var(--code-keyword)', fontWeight: '600' },
  { tag: [t.string, t.special(t.string)], color: 'var(--code-string)' },
  { tag: [t.comment], color: 'var(--text-3)', fontStyle: 'italic' },
  { tag: [t.number, t.bool, t.null, t.atom], color: 'var(--code-number)' },
  { tag: [t.variableName, t.propertyName, t.definition(t.variableName), t.attributeName], color: 'var(--code-name)' },
]);

/**
 * @param {{ parent: HTMLElement, path: string, text: string, changed: () => void, save: () => void }} options
 */
export function openEditor({ parent, path, text, changed, save }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        highlightActiveLineGutter(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        EditorState.lineSeparator.of(text.includes('\r\n') ? '\r\n' : '\n'),
        // indentWithTab is left out: Tab moves on.
        keymap.of([{ key: 'Mod-s', preventDefault: true, run: () => (save(), true) }, ...defaultKeymap, ...historyKeymap, ...searchKeymap]),
        language(path, text),
        syntaxHighlighting(colours),
        EditorView.contentAttributes.of({ 'aria-label': `Contents of ${path}`, spellcheck: 'false', autocapitalize: 'off' }),
        EditorView.updateListener.of((update) => update.docChanged && changed()),
      ],
    }),
  });
  return {
    text: () => view.state.sliceDoc(),
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
