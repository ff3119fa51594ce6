/** What differs between two texts, line by line. */
import { useMemo } from 'react';
import { counted } from '../data/format.ts';
import { pretty } from './json-text.ts';
import { type DiffLine, lineDiff } from './line-diff.ts';
import { visibleText } from './visible-text.ts';

const marks = { same: ' ', removed: '−', added: '+' } as const;
const words = { same: '', removed: 'removed: ', added: 'added: ' } as const;
/** More is not read, and would make the page slow. */
const linesMax = 400;

export default function Diff({ before, after, label }: { before: string; after: string; label: string }) {
  const lines = useMemo(() => lineDiff(pretty(before), pretty(after)), [before, after]);
  if (lines.length === 0) return <p className="quiet">Nothing differs.</p>;
  return (
    <figure className="diff" aria-label={label}>
      <ol>
        {lines.slice(0, linesMax).map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: they are in the order of the text
          <Line key={index} line={line} />
        ))}
      </ol>
      {lines.length > linesMax && (
        <p className="quiet">{counted(lines.length - linesMax, 'further line')} differ or lie between.</p>
      )}
    </figure>
  );
}

function Line({ line }: { line: DiffLine }) {
  if (line.kind === 'gap') return <li className="gap">{counted(line.lines, 'line')} without a change</li>;
  return (
    <li className={line.kind}>
      <span aria-hidden="true">{marks[line.kind]}</span>
      <span className="hidden">{words[line.kind]}</span>
      <code>{visibleText(line.text)}</code>
    </li>
  );
}
