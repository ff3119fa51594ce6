/**
 * Failures that may or may not pass: a defect of ours, a schema that cannot be read, an odd answer of the registry for one
 * subject. Each event that meets one is tried again, so often and no more; then it is refused with the stack beside it. An
 * outage is never counted here, so that waiting for a server drops nothing.
 *
 * Attempts are counted by position and forgotten when the event itself is through: events that are released with it are
 * encoded on their own, before it, each time.
 */
import { createHash } from 'node:crypto';
import type { OutboxEvents } from '../capture/event.ts';
import { RelayError } from '../errors.ts';
import { formatPosition, type Position } from '../model/position.ts';
import type { Refusal } from './record.ts';

/**
 * For so long the same failure of another event of the kind is taken as known: a kind of event that meets a defect each
 * time must not slow the stream down to one event in so many pauses.
 */
const knownForMs = 60_000;
const knownMax = 1_000;

export class UnclearFailures {
  readonly #attemptsMax: number;
  /** By position. */
  readonly #attempts = new Map<string, number>();
  readonly #known = new Map<string, { attempts: number; untilMs: number }>();
  /** The first of this attempt that is to be tried again. */
  #pending: Refusal | undefined;

  /** @param attemptsMax how often an event is tried again after its first failure */
  constructor(attemptsMax: number) {
    this.#attemptsMax = attemptsMax;
  }

  /**
   * The refusal to go by: at once where there is no `cause`, after its attempts where there is one, with what is known of
   * the failure. undefined while it is to be tried again, which `settle` then says.
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

  /** Begins an attempt; the one before may have broken off. */
  begin(): void {
    this.#pending = undefined;
  }

  /** Ends an attempt at `events`. @throws RelayError ENCODING_UNCLEAR when something is to be tried again */
  settle(events: OutboxEvents): void {
    const pending = this.#pending;
    // Not forgotten before: the events of an attempt that an outage breaks off keep their counts.
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
    // As texts they compare like the positions, and nobody else's lie between these.
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
