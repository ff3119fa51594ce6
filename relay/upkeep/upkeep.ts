/**
 * What the active relay does every so often beside publishing: the list of duties, each in a file of its own. How they run
 * and what becomes of their failures is in `run-duties.ts`.
 */
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { RelayError } from '../errors.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { Metrics } from '../observe/metrics.ts';
import { deadLetterCountDuty } from './dead-letter-count.ts';
import { deadLetterPurgeDuty } from './dead-letter-purge.ts';
import type { Duty } from './duty.ts';
import { Heartbeats } from './heartbeat.ts';
import { lookalikesDuty } from './lookalikes.ts';
import { partitionsDuty } from './partitions.ts';
import { progressCopyDuty } from './progress-copy.ts';
import { publicationDuty } from './publication.ts';
import { runDuties } from './run-duties.ts';
import { slotHealthDuty } from './slot-health.ts';
import { UncoveredHeartbeats } from './uncovered-heartbeats.ts';

export type UpkeepDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly progress: () => Progress;
  /** Identity of the publication when the session began. */
  readonly publication: string;
  /** How far the stream has got, the last heartbeat it brought, and rows of tables that only look like the outbox. */
  readonly stream: () => {
    readonly serverLsn: Lsn;
    readonly beat: number;
    readonly lookalikes: ReadonlyMap<string, number>;
  };
};

export class Upkeep {
  readonly #use: UpkeepDependencies;
  readonly #heartbeats: Heartbeats;
  readonly duties: readonly Duty[];

  constructor(dependencies: UpkeepDependencies) {
    const uncovered = new UncoveredHeartbeats();
    this.#use = dependencies;
    this.#heartbeats = new Heartbeats(dependencies, uncovered);
    const duties = [
      publicationDuty(dependencies, uncovered),
      this.#heartbeats.duty,
      progressCopyDuty(dependencies, uncovered),
      slotHealthDuty(dependencies),
      lookalikesDuty(dependencies),
      partitionsDuty(dependencies),
      deadLetterCountDuty(dependencies),
      deadLetterPurgeDuty(dependencies),
    ];
    this.duties = duties.filter((duty) => duty !== undefined);
  }

  /** A loop for each duty, until the signal: see `runDuties`. */
  loops(signal: AbortSignal): readonly Promise<void>[] {
    return runDuties(
      this.duties,
      (duty, failure, retryInMs) => this.#report(duty, failure, retryInMs),
      signal,
    );
  }

  /** To be called with each heartbeat that the stream brings, and the one before it. @throws RelayError PUBLICATION_GAP */
  returned(beat: number, before: number): void {
    this.#heartbeats.returned(beat, before);
  }

  #report({ name }: Duty, failure: RelayError, retryInMs: number): void {
    this.#use.metrics.countError(failure.code);
    const level = failure.class === 'stop' ? 'error' : 'warn';
    this.#use.log[level]({ duty: name, err: failure, retryInMs }, 'duty failed, retrying');
  }
}
