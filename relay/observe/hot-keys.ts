/**
 * Owns which keys have the most events: an estimate from a sample, once a minute. Promise: its memory is bounded, whatever
 * the keys are, and no key leaves the process unless the settings say so.
 */
import { createHash } from 'node:crypto';
import type { SampledKeys } from './facts.ts';
import { FrequentValues } from './frequent.ts';

/** A count is short by 0.4 % of the events at most, which is less than half of the share below which no key is shown. */
const counters = 256;
const shareMin = 0.01;
/** Of fewer samples a share of 10 % could as well be one of 4 % or 16 %. */
const samplesMin = 100;
const windowMs = 60_000;
/** A longer key is shown by its hash in any case, and remembered by it. */
const keyLengthMax = 100;

export type HotKey = { readonly topic: string; readonly key: string; readonly ratio: number };

export class HotKeys {
  readonly #most: number;
  readonly #isShown: boolean;
  #window = new FrequentValues(counters);
  #samples = 0;
  #untilMs: number;

  /** @param nowMs on a monotonic clock */
  constructor(settings: { readonly hotKeys: number; readonly showKeys: boolean }, nowMs: number) {
    this.#most = settings.hotKeys;
    this.#isShown = settings.showKeys;
    this.#untilMs = nowMs + windowMs;
  }

  add({ records, every }: SampledKeys): void {
    for (const { topic, key } of records) {
      const kept = key.length > keyLengthMax ? hashOf(key) : key;
      // Kafka has no topic with NUL in its name.
      this.#window.add(`${topic}\0${kept}`, every);
    }
    this.#samples += records.length;
  }

  /** @returns the hottest keys of the window that is over, none where it had few events; undefined while it lasts */
  over(nowMs: number): readonly HotKey[] | undefined {
    if (nowMs < this.#untilMs) return undefined;
    const [window, samples] = [this.#window, this.#samples];
    this.#window = new FrequentValues(counters);
    this.#samples = 0;
    this.#untilMs = nowMs + windowMs;
    if (samples < samplesMin) return [];
    return window
      .top(this.#most)
      .map(({ value, count }) => this.#show(value, count / window.total))
      .filter(({ ratio }) => ratio >= shareMin);
  }

  #show(value: string, ratio: number): HotKey {
    const at = value.indexOf('\0');
    const [topic, key] = [value.slice(0, at), value.slice(at + 1)];
    const isHash = key.startsWith(hashPrefix);
    return { topic, key: this.#isShown || isHash ? key : hashOf(key), ratio };
  }
}

const hashPrefix = 'sha256:';

/** Of UTF-8, as `printf %s KEY | sha256sum` has it. */
function hashOf(key: string): string {
  return `${hashPrefix}${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}
