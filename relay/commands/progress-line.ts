/** How far a long command is: one line that moves on a terminal; elsewhere a line for each stage, and one now and then. */
import { createLogUpdate } from 'log-update';
import { printableText } from '../observe/printable.ts';

/** How often a terminal is redrawn, and anything else is told that the stage still goes on. */
const redrawMs = 100;
const repeatMs = 10_000;

export class ProgressLine<Step> {
  readonly #stream: NodeJS.WriteStream;
  readonly #describe: (step: Step) => string;
  readonly #update: ReturnType<typeof createLogUpdate> | undefined;
  #stage: string | undefined;
  #shownMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream, describe: (step: Step) => string) {
    this.#stream = stream;
    this.#describe = describe;
    this.#update = stream.isTTY ? createLogUpdate(stream) : undefined;
  }

  show(stage: string, step: Step): void {
    const nowMs = performance.now();
    const intervalMs = this.#update === undefined ? repeatMs : redrawMs;
    if (stage === this.#stage && nowMs - this.#shownMs < intervalMs) return;
    this.#stage = stage;
    this.#shownMs = nowMs;
    const text = printableText(this.#describe(step));
    if (this.#update === undefined) this.#stream.write(`${text}\n`);
    else this.#update(text);
  }

  end(): void {
    this.#update?.clear();
  }
}
