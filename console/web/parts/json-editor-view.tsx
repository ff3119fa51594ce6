/** The editor of JSON text. It changes no character that the person did not type. */
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { bracketMatching, foldGutter, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { Compartment, EditorState, type Range, StateEffect, StateField } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import type { JsonEditorProps } from './json-editor.tsx';
import { placeOf } from './json-path.ts';

const setMarks = StateEffect.define<DecorationSet>();
const marks = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, { changes, effects }) {
    const set = effects.find((effect) => effect.is(setMarks));
    return set === undefined ? before.map(changes) : (set.value as DecorationSet);
  },
  provide: (field) => EditorView.decorations.from(field),
});

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--accent)' },
  { tag: [tags.null, tags.bool, tags.number], color: 'var(--chart-2)' },
]);

/** The policy of the page allows styles with this nonce only. */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';

const common = [
  nonce === '' ? [] : EditorView.cspNonce.of(nonce),
  lineNumbers(),
  foldGutter(),
  highlightSpecialChars(),
  EditorView.lineWrapping,
  syntaxHighlighting(colours),
  bracketMatching(),
  json(),
  marks,
];

export default function JsonEditorView({ label, text, onChange, mark, isInvalid }: JsonEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const described = useRef(new Compartment());
  const changed = useRef(onChange);
  changed.current = onChange;
  const isReadOnly = onChange === undefined;

  // biome-ignore lint/correctness/useExhaustiveDependencies: later texts and labels are taken below
  useEffect(() => {
    const editing = isReadOnly
      ? [EditorState.readOnly.of(true)]
      : [
          history(),
          // Tab leaves the editor, as it leaves any field.
          keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed.current?.(update.state.doc.toString());
          }),
        ];
    const state = EditorState.create({
      doc: text,
      extensions: [common, editing, described.current.of(attributesOf(label, isReadOnly, isInvalid))],
    });
    const made = new EditorView({ state, parent: host.current! });
    view.current = made;
    return () => made.destroy();
  }, [isReadOnly]);

  useEffect(() => {
    view.current?.dispatch({
      effects: described.current.reconfigure(attributesOf(label, isReadOnly, isInvalid)),
    });
  }, [label, isReadOnly, isInvalid]);

  useEffect(() => {
    const editor = view.current;
    if (editor === null || editor.state.doc.toString() === text) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });
  }, [text]);

  const markText = mark == null ? null : JSON.stringify(mark);
  // biome-ignore lint/correctness/useExhaustiveDependencies: of the mark, its content counts
  useEffect(() => {
    const editor = view.current;
    if (editor === null) return;
    const place = mark == null ? undefined : placeOf(text, mark.at);
    editor.dispatch({ effects: setMarks.of(marksAt(editor, place, mark?.message ?? '')) });
    if (place !== undefined && isReadOnly) scrollTo(editor, place.from);
  }, [markText, text, isReadOnly]);

  return <div ref={host} />;
}

/** Within the editor only: the page stays where it is. */
function scrollTo(editor: EditorView, position: number): void {
  editor.requestMeasure({
    read: () => editor.lineBlockAt(position).top - editor.scrollDOM.clientHeight / 3,
    write: (top) => {
      editor.scrollDOM.scrollTop = Math.max(0, top);
    },
  });
}

function attributesOf(label: string, isReadOnly: boolean, isInvalid: boolean | undefined) {
  return EditorView.contentAttributes.of({
    'aria-label': label,
    'aria-readonly': String(isReadOnly),
    'aria-invalid': String(isInvalid === true),
    spellcheck: 'false',
    tabindex: '0',
  });
}

type Marked = ReturnType<typeof placeOf>;

/** The lines of what is named; of an object that lacks something, the first line only. */
function marksAt(editor: EditorView, place: Marked, title: string): DecorationSet {
  if (place === undefined) return Decoration.none;
  const { doc } = editor.state;
  const first = doc.lineAt(place.from).number;
  const last = place.isExact ? doc.lineAt(place.to).number : first;
  const ranges: Range<Decoration>[] = [];
  for (let line = first; line <= Math.min(last, first + 200); line++)
    ranges.push(Decoration.line({ class: 'cm-marked' }).range(doc.line(line).from));
  if (place.isExact && place.to > place.from && last === first)
    ranges.push(
      Decoration.mark({ class: 'cm-marked-text', attributes: { title } }).range(place.from, place.to),
    );
  return Decoration.set(ranges, true);
}
