/** Adds up the outcomes of runs and prints them: failures first, then how often each fault happened. */
import type { Outcome } from './run.ts';
import { invariants } from './violation.ts';

/** Interval between lines of progress, ms. */
const progressEveryMs = 5_000;

export class Summary {
  readonly failures: Outcome[] = [];
  readonly #now: () => number;
  readonly #asked: string;
  readonly #begunMs: number;
  readonly #faults = new Map<string, number>();
  readonly #recoveriesMs: number[] = [];
  #printedMs: number;
  #seeds = 0;
  #steps = 0;
  #events = 0;
  #published = 0;
  #deadLetters = 0;
  #virtualMs = 0;

  /**
   * @param now real time in ms, monotonic
   * @param options that were given; to repeat a seed
   */
  constructor(now: () => number, options: readonly string[] = []) {
    this.#now = now;
    this.#asked = options.map((option) => ` ${option}`).join('');
    this.#begunMs = now();
    this.#printedMs = this.#begunMs;
  }

  add(outcome: Outcome): void {
    this.#seeds += 1;
    this.#steps += outcome.steps;
    this.#events += outcome.events;
    this.#published += outcome.published;
    this.#deadLetters += outcome.deadLetters;
    this.#virtualMs += outcome.virtualMs;
    this.#recoveriesMs.push(outcome.recoveryMs);
    for (const [what, count] of outcome.faults) this.#faults.set(what, (this.#faults.get(what) ?? 0) + count);
    if (outcome.violation === undefined) return;
    this.failures.push(outcome);
    console.log(describe(outcome, this.#asked));
  }

  progress(seeds: number): void {
    if (this.#now() - this.#printedMs < progressEveryMs) return;
    this.#printedMs = this.#now();
    console.log(`${this.#seeds} of ${seeds} seeds, ${this.#rate()} steps/s, ${this.failures.length} failed`);
  }

  json() {
    return {
      seeds: this.#seeds,
      steps: this.#steps,
      seconds: this.#seconds(),
      virtualSeconds: Math.round(this.#virtualMs / 1000),
      events: this.#events,
      published: this.#published,
      deadLetters: this.#deadLetters,
      recoveryMs: { p50: this.#recovery(0.5), p99: this.#recovery(0.99), max: this.#recovery(1) },
      faults: Object.fromEntries(this.#sortedFaults()),
      failures: this.failures.map(({ seed, violation }) => ({ seed, ...violation })),
    };
  }

  text(): string {
    const { seeds, steps, events, published, deadLetters, seconds, virtualSeconds, recoveryMs } = this.json();
    return [
      ...this.#sortedFaults().map(([what, count]) => `${String(count).padStart(9)}  ${what}`),
      `${seeds} seeds, ${steps} steps in ${seconds} s (${this.#rate()} steps/s), ${virtualSeconds} s of virtual time`,
      `${events} events committed, ${published} published, ${deadLetters} dead letters`,
      `caught up after the last fault: p50 ${recoveryMs.p50} ms, p99 ${recoveryMs.p99} ms, max ${recoveryMs.max} ms`,
      this.failures.length === 0
        ? 'every invariant held'
        : `${this.failures.length} seeds broke an invariant: ${this.failures
            .map(({ seed }) => seed)
            .sort((a, b) => a - b)
            .join(', ')}`,
    ].join('\n');
  }

  #sortedFaults(): [string, number][] {
    return [...this.#faults].sort(([a], [b]) => a.localeCompare(b));
  }

  #recovery(share: number): number {
    const sorted = this.#recoveriesMs.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  }

  #seconds(): number {
    return Math.round((this.#now() - this.#begunMs) / 100) / 10;
  }

  #rate(): number {
    return Math.round(this.#steps / Math.max(0.001, (this.#now() - this.#begunMs) / 1000));
  }
}

function describe({ seed, violation }: Outcome, asked: string): string {
  const name = violation?.invariant ?? 'error';
  const meaning = name === 'error' ? 'the simulation itself failed' : invariants[name];
  return [
    `seed ${seed} broke ${name}: ${meaning}`,
    `  ${violation?.message ?? ''}`,
    `  npm run simulate -- --seed ${seed}${asked}`,
  ].join('\n');
}
