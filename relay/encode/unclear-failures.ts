/**
 * Owns failures that may or may not pass: a bug in the relay, a schema that cannot be read, an odd answer of the registry for
 * one subject. An event that meets one is retried a limited number of times; then it is refused, with the stack beside it. An
 * outage never counts here, so that waiting for a server drops nothing.
 *
 * Attempts count by position, and until the event itself is encoded: on each attempt at a transaction, events that it
 * releases are encoded on their own before it.
 */
import { createHash } from 'node:crypto';
import type { OutboxEvents } from '../capture/event.ts';
import { RelayError } from '../errors.ts';
import { formatPosition, type Position } from '../model/position.ts';
import type { Refusal } from './record.ts';

/**
 * For this long, another event of the kind with the same failure is refused without retries. Otherwise a kind of event that
 * always fails would slow the stream down to one event per series of pauses.
 */
const knownForMs = 60_000;
const knownMax = 1_000;

export class UnclearFailures {
  readonly #attemptsMax: number;
  /** By position. */
  readonly #attempts = new Map<string, number>();
  readonly #known = new Map<string, { attempts: number; untilMs: number }>();
  /** The first event of this attempt that has to be retried. */
  #pending: Refusal | undefined;

  /** @param attemptsMax how often an event is retried after its first failure */
  constructor(attemptsMax: number) {
    this.#attemptsMax = attemptsMax;
  }

  /**
   * @param cause set where the reason may pass
   * @returns the refusal: at once without a `cause`, else after the attempts, with what is known of the failure; undefined
   *   while the event has to be retried, for which `settle` throws
   */
  decide(refusal: Refusal, cause: Error | undefined): Refusal | undefined {
    if (cause === undefined) return refusal;
    const stack = stackOf(cause);
    // Hashed: a type may be as long as a row.
    const kind = [refusal.row.aggregatetype, refusal.row.type, refusal.code, stack].join('\0');
    const key = createHash('sha256').update(kind).digest('base64');
    const known = this.#known.get(key);
    const isKnown = known !== undefined && performance.now() < known.untilMs;
    const attempts = isKnown ? known.attempts : this.#count(refusal);
    if (!isKnown && attempts <= this.#attemptsMax) {
      this.#pending ??= refusal;
      return undefined;
    }
    if (this.#known.size >= knownMax) this.#known.clear();
    if (!isKnown) this.#known.set(key, { attempts, untilMs: performance.now() + knownForMs });
    return { ...refusal, failure: { attempts, stack } };
  }

  /** Begins an attempt, whether or not the one before came to its end. */
  begin(): void {
    this.#pending = undefined;
  }

  /** Ends an attempt at `events`. @throws RelayError ENCODING_UNCLEAR where an event has to be retried */
  settle(events: OutboxEvents): void {
    const pending = this.#pending;
    // Only now: events of an attempt that an outage interrupts keep their counts.
    if (pending === undefined) {
      this.#forget(events);
      return;
    }
    const { code, message, topic, subject, position } = pending;
    const { ordinal } = position;
    throw new RelayError('ENCODING_UNCLEAR', `${code}: ${message}`, { context: { topic, subject, ordinal } });
  }

  #forget(events: OutboxEvents): void {
    if (this.#attempts.size === 0 || events.length === 0) return;
    // Texts of positions compare as the positions do, and no other event has a position between these.
    const first = keyOf(events.at(0)!.position);
    const last = keyOf(events.at(events.length - 1)!.position);
    for (const key of this.#attempts.keys()) if (first <= key && key <= last) this.#attempts.delete(key);
  }

  #count({ position }: Refusal): number {
    const key = keyOf(position);
    const attempts = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempts);
    return attempts;
  }
}

const keyOf = ({ commitLsn, ordinal }: Position): string => formatPosition(commitLsn, ordinal);

/** Its name and where it was thrown, without its message, which may quote the payload. */
function stackOf({ name, stack }: Error): string {
  const frames = (stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return [name, ...frames].join('\n');
}
