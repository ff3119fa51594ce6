/** What a window works with. */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import type { Producers } from '../producers.ts';
import type { AuditState } from './audit-state.ts';
import type { Found } from './found.ts';
import type { Pace } from './pace.ts';
import type { WindowSnapshot } from './read-window.ts';

export type WindowMeans = {
  readonly config: Config;
  readonly kafka: Kafka;
  readonly admin: Admin;
  /** For the snapshot of the window alone. */
  readonly client: pg.Client;
  /** For what is read as it is now. */
  readonly now: pg.Client;
  readonly systemIdentifier: string;
  readonly pace: Pace;
  /** How long the progress may take to reach a snapshot, in ms. */
  readonly waitMs: number;
  /** Which of these are missing as far as earlier windows know, and how many more are, whose ids were not kept. */
  readonly openMissing: (
    ids: readonly string[],
  ) => Promise<{ readonly ids: ReadonlySet<string>; readonly unlisted: number }>;
  /** Whether an earlier window had rows without a record, and could not judge them. */
  readonly hasUnjudgedRows: () => Promise<boolean>;
  readonly onDone?: (events: number, records: number) => void;
};

/** Of one window. */
export type WindowScope = {
  readonly means: WindowMeans;
  /** undefined: this is the first window, and it begins with the first row. */
  readonly before: AuditState | undefined;
  readonly snapshot: WindowSnapshot;
  readonly found: Found;
  /** Knows those of all progress. */
  readonly producers: Producers;
  /** Other slots of this database. */
  readonly siblings: ReadonlySet<string>;
};

/** Ids of one statement. */
export const idsMost = 5_000;

export const placeOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}/${partition}`;

export function* chunks<T>(items: readonly T[], most: number): Generator<T[]> {
  for (let at = 0; at < items.length; at += most) yield items.slice(at, at + most);
}
