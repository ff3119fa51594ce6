/** How far a long command is: a bar on a terminal, a line now and then elsewhere; always on standard error. */
import { ProgressLine } from '../progress-line.ts';

export type Reporter = {
  /** @param of undefined where nobody knows */
  readonly show: (done: number, of?: number) => void;
  readonly clear: () => void;
};

export function reporter(): Reporter {
  const { isTTY } = process.stderr;
  const line = new ProgressLine<readonly [done: number, of: number | undefined]>(
    process.stderr,
    ([done, of]) => {
      if (of === undefined) return `${done} so far`;
      return isTTY ? bar(done, of) : `${done} of ${of}`;
    },
  );
  return { show: (done, of) => line.show('', [done, of]), clear: () => line.end() };
}

const barWidth = 30;

function bar(done: number, of: number): string {
  const full = Math.min(barWidth, Math.round((done / Math.max(1, of)) * barWidth));
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${done} of ${of}`;
}
