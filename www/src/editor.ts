/** CodeMirror, as this page wants it. Loaded when the first file is opened. */
import { basicSetup, EditorView } from 'codemirror';
import { keymap } from '@codemirror/view';
import { EditorState } from '@codemirror/state';

/** The library's look follows the page's, light or dark. */
const LOOK = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'transparent', color: 'inherit', fontSize: '0.8125rem' },
  '.cm-scroller': { fontFamily: 'var(--wa-font-family-code)', lineHeight: '1.5' },
  '.cm-gutters': { backgroundColor: 'var(--wa-color-surface-lowered)', color: 'var(--wa-color-text-quiet)', border: 'none' },
  '.cm-content': { caretColor: 'var(--wa-color-text-normal)' },
  '.cm-cursor': { borderLeftColor: 'var(--wa-color-text-normal)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in oklab, var(--wa-color-brand-fill-quiet) 50%, transparent)' },
  '&.cm-focused': { outline: 'none' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--wa-color-brand-fill-normal)' },
  '.cm-panels': { backgroundColor: 'var(--wa-color-surface-lowered)', color: 'inherit' },
});

export interface EditorOptions {
  text: string;
  /** What it is called to those who don't see it. */
  label: string;
  readOnly: boolean;
  onChange: (text: string) => void;
  onSave: () => void;
}

export interface Editor {
  destroy(): void;
}

export function openEditor(parent: Element, options: EditorOptions): Editor {
  const save = () => {
    options.onSave();
    return true;
  };
  const extensions = [
    keymap.of([{ key: 'Mod-s', run: save }]),
    basicSetup,
    LOOK,
    EditorState.readOnly.of(options.readOnly),
    EditorView.contentAttributes.of({ 'aria-label': options.label, tabindex: '0' }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) options.onChange(update.state.doc.toString());
    }),
  ];
  // Said, since it would look through slots and take the shadow tree of a layout for its root.
  return new EditorView({ parent, root: document, state: EditorState.create({ doc: options.text, extensions }) });
}
