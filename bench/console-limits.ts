/** What the console promises of its costs and its speed, and whether figures keep it. Pure. */
import type { ConsoleFigures } from './console.ts';

export const limits = {
  /** Of one core, with one page open. */
  cpuPercent: 2,
  firstPaintMs: 1_000,
  /** Of a page of dead letters, of their causes, of those of a key: what a person waits for after each click. */
  answerMs: 300,
  /** From the click until the list is drawn. */
  listDrawnMs: 300,
} as const;

type Judged = Pick<ConsoleFigures, 'costs' | 'firstPaintMs' | 'answerMs' | 'listDrawnMs'>;

/** @returns a sentence for each limit that is broken */
export function brokenLimits({ costs, firstPaintMs, answerMs, listDrawnMs }: Judged): string[] {
  const measured: (readonly [what: string, value: number, max: number, unit: string])[] = [
    ...costs
      .filter(({ pages }) => pages === 1)
      .map(({ cpuPercent }) => ['CPU with one page open', cpuPercent, limits.cpuPercent, '%'] as const),
    ['first paint', firstPaintMs, limits.firstPaintMs, 'ms'],
    ['list drawn', listDrawnMs, limits.listDrawnMs, 'ms'],
    ...Object.entries(answerMs).map(([what, ms]) => [`answer, ${what}`, ms, limits.answerMs, 'ms'] as const),
  ];
  return measured
    .filter(([, value, max]) => value >= max)
    .map(([what, value, max, unit]) => `${what}: ${value} ${unit}, and less than ${max} ${unit} is promised`);
}
