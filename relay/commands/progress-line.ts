/**
 * The progress of a long command, on standard error: at a terminal one line that moves; elsewhere a line for each stage,
 * and one now and then.
 */
import { createLogUpdate } from 'log-update';
import { printableText } from '../observe/printable.ts';
import { count } from './format.ts';

/** How often a terminal is redrawn, and how often another reader hears that a stage is still under way. */
const redrawMs = 100;
const repeatMs = 10_000;

/** undefined for a step of which there is nothing to show. */
type Describe<Step> = (step: Step) => string | undefined;

/** What there is nothing of has no progress: "0 of 0" tells nobody anything. */
export const unlessNothing =
  <Step extends { readonly total?: number | undefined }>(describe: (step: Step) => string): Describe<Step> =>
  (step) =>
    step.total === 0 ? undefined : describe(step);

export class ProgressLine<Step> {
  readonly #describe: Describe<Step>;
  readonly #stream: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate> | undefined;
  #stage: string | undefined;
  #shownMs = Number.NEGATIVE_INFINITY;
  /** What is not shown yet. */
  #latest: Step | undefined;

  constructor(describe: Describe<Step>, stream: NodeJS.WriteStream = process.stderr) {
    this.#describe = describe;
    this.#stream = stream;
    this.#update = stream.isTTY ? createLogUpdate(stream) : undefined;
  }

  show(step: Step, stage = ''): void {
    const nowMs = performance.now();
    const intervalMs = this.#update === undefined ? repeatMs : redrawMs;
    this.#latest = step;
    if (stage === this.#stage && nowMs - this.#shownMs < intervalMs) return;
    if (!this.#write(step)) return;
    this.#stage = stage;
    this.#shownMs = nowMs;
  }

  /** A line that stays says how far it came. */
  end(): void {
    if (this.#update !== undefined) this.#update.clear();
    else if (this.#latest !== undefined) this.#write(this.#latest);
    this.#latest = undefined;
  }

  /** @returns whether there was anything to show */
  #write(step: Step): boolean {
    this.#latest = undefined;
    const described = this.#describe(step);
    if (described === undefined) return false;
    const text = printableText(described);
    if (this.#update === undefined) this.#stream.write(`${text}\n`);
    else this.#update(text);
    return true;
  }
}

const barWidth = 30;

/** `███░░░ 1,200 of 2,400`; the bar only at a terminal. */
export function bar(done: number, total: number): string {
  const text = `${count(done)} of ${count(total)}`;
  if (!process.stderr.isTTY) return text;
  const full = Math.min(barWidth, Math.round((done / Math.max(1, total)) * barWidth));
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${text}`;
}
