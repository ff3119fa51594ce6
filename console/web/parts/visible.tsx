/** Text from rows: never HTML, every character visible, and as much of it as fits. */
import { count } from '../data/format.ts';
import { visibleParts } from './visible-text.ts';

/** @param max characters; how many there are is said where they are more */
export function Visible({ text, max = 200 }: { text: string; max?: number }) {
  if (text === '') return <span className="quiet">empty</span>;
  const isLong = text.length > max;
  const parts = visibleParts(isLong ? text.slice(0, max) : text);
  return (
    <bdi className="visible">
      {parts.map(({ text: part, code }, index) =>
        code === undefined ? (
          part
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: they are in the order of the text
          <span key={index} className="sign" title={code}>
            {part}
          </span>
        ),
      )}
      {isLong && <span className="quiet">… {count(text.length)} characters</span>}
    </bdi>
  );
}
