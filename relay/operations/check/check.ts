/** Every precondition of `run`, in Postgres, Kafka and the schema registry. Changes nothing. */
import type { Config } from '../../config/config.ts';
import { usesRegistry } from '../../config/value-format.ts';
import { createKafka } from '../../connect/kafka.ts';
import { createPool } from '../../connect/postgres/pool.ts';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { createLogger } from '../../observe/log.ts';
import { type Finding, ok, runChecks } from './finding.ts';
import { kafkaChecks } from './kafka.ts';
import { hasMark, postgresChecks } from './postgres.ts';
import { registryChecks } from './registry.ts';

/** How many findings there will be. */
export function checksCountOf({ records }: Pick<Config, 'records'>): number {
  const ofRegistry = usesRegistry(records) ? registryChecks.length : 1;
  return postgresChecks.length + kafkaChecks.length + ofRegistry;
}

/** All findings, as they come. A server that does not answer is a finding, not an error. */
export async function* check(config: Config, timeoutMs: number): AsyncGenerator<Finding> {
  const pool = createPool(config);
  let last: Finding | undefined;
  for await (last of runChecks('postgres', postgresChecks, { pool, config }, timeoutMs)) yield last;
  // Where Postgres gives no answer, its own checks say so.
  const isUsed = last?.status !== 'skipped' && (await hasMark({ pool, config }).catch(() => false));
  // Not waited for: a server that hangs does not say goodbye.
  void pool.end();

  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  yield* runChecks('kafka', kafkaChecks, { kafka, admin, config, isUsed }, timeoutMs);
  void admin.disconnect().catch(() => {});

  if (!usesRegistry(config.records)) {
    yield { server: 'registry', name: 'registry', ...noRegistry };
    return;
  }
  const client = new RegistryClient(config.registry);
  yield* runChecks('registry', registryChecks, { client, config }, timeoutMs);
}

const noRegistry = ok(
  'not asked: the values of every topic are JSON (records.format), which needs no schema',
);
