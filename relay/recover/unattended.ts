/**
 * A relay that recovers from a lost slot by itself: what `outbox-relay recover` does without options, and nothing that
 * would take one. Promise: where a person has to decide, nothing is published, and the relay stops with the error that it
 * would have stopped with anyway.
 *
 * Nothing here elects a relay. Of several that find the slot lost at once, the one that makes the new slot and holds it
 * recovers; the others find the slot in use and return to standby. If the first one dies, the slot is free and ahead of the
 * progress, and the next relay that takes it recovers from where Kafka stands.
 */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { backoffMs, pause } from '../connect/backoff.ts';
import { asRelayError, RelayError, RequestInvalid } from '../errors.ts';
import type { OwnRecovery } from '../ledger/own-recoveries.ts';
import type { RecoveryOutcome } from '../observe/facts.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { recover } from './recover.ts';
import type { Recovery } from './report.ts';

/** As `recover`; the tests give others. */
export type Recover = typeof recover;

/** Recoveries of this time count as one row of losses: the limit on WAL is too small, or something drops the slot. */
const memoryMs = 3_600_000;

export type UnattendedMeans = {
  readonly config: Config;
  readonly log: Logger;
  readonly observer: RelayObserver;
  readonly recover?: Recover;
  /** Writes into the audit trail what the relay did. */
  readonly record: (recovery: OwnRecovery) => Promise<void>;
};

export class UnattendedRecovery {
  readonly #use: UnattendedMeans;
  readonly #pace = new RecoveryPace();
  /** Undefined where the relay never recovers by itself: what that needs is a tenth of its memory. */
  readonly #loaded: Promise<Recover> | undefined;

  constructor(use: UnattendedMeans) {
    this.#use = use;
    // At the start: months later, the files of the release may be those of a newer one.
    if (use.config.slot.whenLost === 'recover') this.#loaded = loadRecover();
    this.#loaded?.catch(() => {}); // it is awaited where it is needed
  }

  /** Whether a relay may try, instead of stopping with this failure. */
  mayRecoverFrom({ entry }: RelayError): boolean {
    return this.#use.config.slot.whenLost === 'recover' && entry.losesSlot === true;
  }

  /**
   * Returns once the gap is closed, or the signal is aborted; a relay then begins at standby.
   * @throws RelayError of class `stop`: as `failure` where a person has to decide, or what else keeps a recovery from
   * working; of class `retry`: a server is away, or another relay has the slot
   */
  async run(failure: RelayError, signal: AbortSignal): Promise<void> {
    const { config, observer } = this.#use;
    const { attempt, pauseMs } = this.#pace.next(performance.now(), (n) => backoffMs(n, config.retry));
    observer.recoveryBegun?.({ failure, attempt, pauseMs });
    await pause(pauseMs, signal);
    if (signal.aborted) return;
    const beganMs = performance.now();
    const { recovery, error } = await this.#recover(signal).then(
      (recovery) => ({ recovery, error: undefined }),
      (error: unknown) => ({ recovery: undefined, error: meaningOf(error) }),
    );
    const tookMs = performance.now() - beganMs;
    const outcome = outcomeOf(recovery, error, signal);
    if (outcome !== 'yielded') this.#pace.ended(performance.now(), tookMs);
    const { published = 0, deadLettered = 0, uncertainKeys = 0 } = recovery ?? {};
    observer.recoveryEnded?.({ outcome, published, deadLettered, tookMs });
    if (outcome === 'recovered' || outcome === 'refused')
      await this.#record({
        code: failure.code,
        outcome,
        published,
        deadLettered,
        tookMs,
        uncertainKeys,
      });
    if (signal.aborted) return;
    if (error !== undefined) throw error;
    if (recovery.outcome !== 'recovered') throw refusedBy(recovery, failure);
  }

  /** What is done is done, also where it cannot be recorded. */
  async #record(recovery: OwnRecovery): Promise<void> {
    try {
      await this.#use.record(recovery);
    } catch (error) {
      this.#use.observer.recoveryUnrecorded?.({ failure: asRelayError(error) });
    }
  }

  async #recover(signal: AbortSignal): Promise<Recovery> {
    const { config, log, observer } = this.#use;
    const recover = this.#use.recover ?? (await (this.#loaded ?? loadRecover()));
    return recover({
      config,
      log,
      signal,
      isUnattended: true,
      isDryRun: false,
      isForced: false,
      acceptsRewound: false,
      skipsUnreadable: false,
      acceptsWritingOrder: config.slot.recoverByWritingOrder,
      unjudged: 'refuse',
      onStage: (stage) => observer.recovering?.(stage),
    });
  }
}

const loadRecover = async (): Promise<Recover> => (await import('./recover.ts')).recover;

/** Between the failure and the look at the slot another relay may have recovered, and streams by now or soon. */
function meaningOf(error: unknown): RelayError {
  if (error instanceof RequestInvalid)
    return new RelayError('SLOT_IN_USE', 'another process has recovered the slot', { cause: error });
  return asRelayError(error);
}

function outcomeOf(
  recovery: Recovery | undefined,
  error: RelayError | undefined,
  { aborted }: AbortSignal,
): RecoveryOutcome {
  if (recovery !== undefined) return recovery.outcome === 'recovered' ? 'recovered' : 'refused';
  if (aborted) return 'interrupted';
  return error?.code === 'SLOT_IN_USE' ? 'yielded' : 'failed';
}

function refusedBy({ doubts }: Recovery, failure: RelayError): RelayError {
  const message = `${failure.message}. The relay cannot recover by itself: ${doubts.join('; ')}`;
  const hint = hintOf(doubts);
  return new RelayError(failure.code, message, { cause: failure, context: failure.context, hint });
}

/** That of the code says to run `recover`, which would refuse too. */
function hintOf(doubts: readonly string[]): string {
  const options = [...new Set(doubts.join(' ').match(/--[a-z-]+/g))];
  const given = options
    .map((option) => (option === '--unjudged' ? `${option} publish|skip` : option))
    .join(' ');
  return `The relay published nothing, because a person has to decide. The message says what ${options.join(' and ')} would do. Run \`outbox-relay recover --dry-run\`, which shows the events, then \`outbox-relay recover ${given}\`. Without, it refuses as the relay did.`;
}

/**
 * How long a relay waits before it recovers again: not at all the first time in an hour, and later at least as long as the
 * last attempt took. A recovery reads every topic from its start, so a slot that is lost again and again must not keep
 * Kafka busy with that alone. Pure.
 */
export class RecoveryPace {
  #ends: { readonly atMs: number; readonly tookMs: number }[] = [];

  /** @param backoff the pause after so many failures in a row */
  next(nowMs: number, backoff: (failures: number) => number): { attempt: number; pauseMs: number } {
    this.#ends = this.#ends.filter(({ atMs }) => nowMs - atMs < memoryMs);
    const last = this.#ends.at(-1);
    if (last === undefined) return { attempt: 1, pauseMs: 0 };
    const dueMs = last.atMs + last.tookMs - nowMs;
    return { attempt: this.#ends.length + 1, pauseMs: Math.max(backoff(this.#ends.length - 1), dueMs) };
  }

  ended(atMs: number, tookMs: number): void {
    this.#ends.push({ atMs, tookMs });
  }
}
