/**
 * How long what is known of a cause will be, by the dead letters of the first page: its room is kept while it is awaited. Pure.
 * The lines have the shape of sentences and no words, since nothing in them is known.
 */
import type { ListedLetter } from '../../../../relay/operations/dead-letters/list.ts';

/** As many values as the answer names, each as far as it is shown. */
const valuesMax = 5;
const charactersMax = 80;

type Seen = Pick<ListedLetter, 'there' | 'waitsFor' | 'isOfParkedKey'>;

export function expectedLines(letters: readonly Seen[]): string[] {
  const lines: string[] = [];
  const waiting = new Set(letters.map(({ waitsFor }) => waitsFor));
  for (const kind of ['release', 'resume', 'resubmit', 'release-under-way'] as const)
    if (waiting.has(kind)) lines.push('1,000 wait for the release of their keys. Release these keys');
  lines.push('The last one came 10 min 10 s ago.');
  const values = new Set(letters.flatMap(({ there }) => (there.state === 'value' ? [there.text] : [])));
  const texts = [...values].slice(0, valuesMax).map((text) => `${text.slice(0, charactersMax)} in 1,000`);
  if (texts.length > 0) lines.push(`10 values there: ${texts.join(', ')}, and others.`);
  if (letters.some(({ isOfParkedKey }) => isOfParkedKey))
    lines.push(
      '1,000 belong to parked keys, whose later events wait behind them: fix them here, then release the keys, which publishes both in order. Resubmit leaves them out.',
      '1,000 events of 100 keys wait behind them. The relay has not judged these yet: it may refuse some of them, too.',
    );
  return lines.map((line) => line.replaceAll(/\S/g, 'n'));
}
