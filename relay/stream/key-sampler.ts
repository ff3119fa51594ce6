/**
 * Owns which events are looked at for the hottest keys: all of a slow stream, every n-th on average of a fast one, so that
 * it costs the same. The distances are random, or a pattern in the events could hide a key.
 */
import type { OutboundRecord } from '../encode/record.ts';
import type { SampledKeys } from '../observe/facts.ts';

/** Each costs about 1 µs: 0.1 % of a core. */
const samplesPerSecond = 1_000;
const adaptAfterMs = 1_000;

export class KeySampler {
  readonly #random: () => number;
  #every = 1;
  /** Records until the next sample. */
  #left = 1;
  #records = 0;
  #adaptedMs: number;

  /** @param random for tests: at least 0, below 1 */
  constructor(nowMs: number, random: () => number = Math.random) {
    this.#random = random;
    this.#adaptedMs = nowMs;
  }

  /** @returns undefined where no record of these is a sample */
  sample(records: readonly OutboundRecord[], nowMs: number): SampledKeys | undefined {
    this.#adapt(records.length, nowMs);
    if (this.#left > records.length) {
      this.#left -= records.length;
      return undefined;
    }
    const sampled: OutboundRecord[] = [];
    let next = this.#left;
    for (; next <= records.length; next += this.#distance()) sampled.push(records[next - 1]!);
    this.#left = next - records.length;
    return { records: sampled, every: this.#every };
  }

  /** From 1 to 2n - 1, so n on average. */
  #distance(): number {
    return 1 + Math.floor(this.#random() * (2 * this.#every - 1));
  }

  #adapt(records: number, nowMs: number): void {
    this.#records += records;
    const elapsedMs = nowMs - this.#adaptedMs;
    if (elapsedMs < adaptAfterMs) {
      // At least so fast is the stream by the end of this second: one that is fast from its first moment, as after an
      // outage, is not looked at in full until then.
      this.#every = Math.max(this.#every, Math.floor(this.#records / samplesPerSecond));
      return;
    }
    this.#every = Math.max(1, Math.ceil((this.#records * 1_000) / elapsedMs / samplesPerSecond));
    this.#records = 0;
    this.#adaptedMs = nowMs;
  }
}
