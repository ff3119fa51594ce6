/** JSON to read or edit, with a place marked. The editor itself is loaded when it is needed. */
import { lazy, Suspense } from 'react';
import type { PathToken } from './json-path.ts';
import { Waiting } from './basics.tsx';

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

const View = lazy(() => import('./json-editor-view.tsx'));

export function JsonEditor(props: JsonEditorProps) {
  return (
    <div className="json-editor">
      <Suspense fallback={<Waiting lines={6} />}>
        <View {...props} />
      </Suspense>
    </div>
  );
}
