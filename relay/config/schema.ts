/**
 * Every setting: type, default, unit and description in one place, by sections. The table in docs/reference/settings.md,
 * `outbox-relay config`, the names of the environment variables and the validation of each value come from here.
 */
import { z } from 'zod';
import { console } from './sections/console.ts';
import { kafka, publish, topics } from './sections/kafka.ts';
import { http, log, metrics } from './sections/observe.ts';
import { audit, cleanup, deadLetters, retry } from './sections/policies.ts';
import { records } from './sections/records.ts';
import { registry, schemas } from './sections/schemas.ts';
import { capture, database, outbox, publication, slot } from './sections/source.ts';
import { integer } from './setting.ts';

const shutdownMs = integer(
  'Longest time to finish the work in progress after SIGTERM or SIGINT, in ms.',
  8_000,
  100,
  600_000,
);

/** In the order in which they are documented. */
export const configSchema = z.strictObject({
  slot,
  publication,
  database,
  outbox,
  kafka,
  records,
  registry,
  schemas,
  topics,
  publish,
  capture,
  deadLetters,
  cleanup,
  retry,
  audit,
  http,
  console,
  metrics,
  log,
  shutdownMs,
});

/**
 * Settings that change without a restart: what reads one of them reads it again each time. Any other is read once, or says
 * where the relay connects and what its progress belongs to.
 */
export const reloadable: ReadonlySet<string> = new Set([
  'log.level',
  'log.levels',
  'publish.maxEventsPerSecond',
  'publish.maxBytesPerSecond',
  'schemas.versions',
  'deadLetters.policy',
  'deadLetters.policies',
  'deadLetters.keepClosed',
  'deadLetters.keepClosedDays',
  'deadLetters.stormPercent',
  'deadLetters.stormMinEvents',
  'cleanup.retention',
  'cleanup.unproven',
  'cleanup.requireVerified',
  'cleanup.rowsPerSecond',
]);

export type Config = z.output<typeof configSchema>;
