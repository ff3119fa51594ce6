/**
 * What the active relay does every so often beside publishing: the list of duties, each in a file of its own. How they run
 * and what becomes of their failures is in `run-duties.ts`.
 */
import type { Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import type { Control } from '../model/control.ts';
import type { Lsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { RelayObserver } from '../observe/observer.ts';
import type { StandingPartitions } from '../publish/standing-partitions.ts';
import { blockedTopicsDuty } from './blocked-topics.ts';
import { publicationDuty } from './check-publication.ts';
import { cleanupDuty } from './cleanup.ts';
import { consumerLagDuty } from './consumer-lag.ts';
import { controlDuty } from './control.ts';
import { deadLetterCountDuty } from './dead-letter-count.ts';
import { deadLetterPurgeDuty } from './dead-letter-purge.ts';
import type { Duty } from './duty.ts';
import { Heartbeats } from './heartbeat.ts';
import { lookalikesDuty } from './lookalike-tables.ts';
import { partitionsDuty } from './make-partitions.ts';
import { progressCopyDuty } from './progress-copy.ts';
import { runDuties } from './run-duties.ts';
import { slotHealthDuty } from './slot-health.ts';
import { UncoveredHeartbeats } from './uncovered-heartbeats.ts';

export type UpkeepDependencies = {
  readonly config: Config;
  readonly pool: pg.Pool;
  readonly kafka: Kafka;
  readonly observer: RelayObserver;
  /** Of this process: it outlives the session. */
  readonly standing: StandingPartitions;
  readonly progress: () => Progress;
  /** Does what people say; resolves when nothing that was decided before is still on its way. */
  readonly obey: (control: Control) => Promise<void>;
  /** Identity of the publication when the session began. */
  readonly publication: string;
  /** How far the stream has got, the last heartbeat it brought, and rows of tables that only look like the outbox. */
  readonly stream: () => {
    readonly serverLsn: Lsn;
    readonly serverStart?: string | undefined;
    readonly beat: number;
    readonly lookalikes: ReadonlyMap<string, number>;
  };
};

export class Upkeep {
  readonly #observer: RelayObserver;
  readonly #heartbeats: Heartbeats;
  readonly duties: readonly Duty[];

  constructor(dependencies: UpkeepDependencies) {
    const uncovered = new UncoveredHeartbeats();
    this.#observer = dependencies.observer;
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
      controlDuty(dependencies),
      cleanupDuty(dependencies),
      consumerLagDuty(dependencies),
      blockedTopicsDuty(dependencies),
    ];
    this.duties = duties.filter((duty) => duty !== undefined);
  }

  /** A loop for each duty, until the signal: see `runDuties`. */
  loops(signal: AbortSignal): readonly Promise<void>[] {
    return runDuties(
      this.duties,
      ({ name }, failure, retryInMs) => this.#observer.dutyFailed?.({ duty: name, failure, retryInMs }),
      signal,
      ({ name }) => this.#observer.dutyDone?.({ duty: name }),
    );
  }

  /** Takes each heartbeat that the stream brings, and the one before it. @throws RelayError PUBLICATION_GAP */
  returned(beat: number, before: number): void {
    this.#heartbeats.returned(beat, before);
  }
}
