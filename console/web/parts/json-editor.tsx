/** JSON to read or edit, with a place marked. The editor itself is loaded when it is needed. */
import { Suspense } from 'react';
import type { PathToken } from '../../../relay/operations/dead-letters/letter-path.ts';
import { Waiting } from './basics.tsx';
import { later } from './later.tsx';

export type JsonEditorProps = {
  readonly label: string;
  /** Shown as it is: lay it out with `pretty` before. */
  readonly text: string;
  /** Without it, it can only be read. */
  readonly onChange?: (text: string) => void;
  /** What is wrong at a place; null where nothing is marked. */
  readonly mark?: { readonly at: readonly PathToken[]; readonly message: string } | null;
  readonly isInvalid?: boolean;
};

const View = later(() => import('./json-editor-view.tsx'));

/** For a page whose next step shows one. */
export const preloadEditor = (): void => void View.preload();

/** Of a line, and the most that is shown without scrolling, as the style sheet has them. */
const [linePx, maxPx] = [18, 520];

/** Nothing jumps when the editor arrives. */
const heightOf = (text: string) => Math.min(maxPx, text.split('\n', maxPx / linePx).length * linePx + 10);

export function JsonEditor(props: JsonEditorProps) {
  return (
    <div className="json-editor" style={{ minBlockSize: heightOf(props.text) }}>
      <Suspense fallback={<Waiting lines={6} />}>
        <View {...props} />
      </Suspense>
    </div>
  );
}
