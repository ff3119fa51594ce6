/** A migrated database with a login of the relay's rights, and the settings of a relay that nobody else uses. */
import { readFile } from 'node:fs/promises';
import { type Config, loadConfig } from '../../../relay/config/config.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

export type RelayDatabase = AsyncDisposable & {
  /** Superuser. */
  readonly pool: TestDatabase['pool'];
  /** As the relay logs in. */
  readonly env: Record<string, string>;
  config(settings?: Record<string, string>): Config;
};

export async function openRelayDatabase(): Promise<RelayDatabase> {
  const [database, { brokers, registryUrl }] = [await createMigratedDatabase(), await servers()];
  const role = unique('relay');
  await database.pool.query(
    await readFile(new URL('../../../migrations/roles.sql', import.meta.url), 'utf8'),
  );
  await database.pool.query(`create role ${role} login replication password 'sesame' in role outbox_relay`);
  const url = new URL(database.url);
  [url.username, url.password] = [role, 'sesame'];
  const env: Record<string, string> = {
    DATABASE_URL: url.href,
    KAFKA_BROKERS: brokers.join(','),
    SCHEMA_REGISTRY_URL: registryUrl,
    OUTBOX_RELAY_SLOT: unique('slot'),
    OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: unique('progress'),
    OUTBOX_RELAY_TOPICS_ALLOW: `${unique('outbox')}.*`,
    OUTBOX_RELAY_SCHEMAS_DIRECTORY: '/nonexistent',
  };
  return {
    pool: database.pool,
    env,
    config: (settings = {}) => loadConfig({ env: { ...env, ...settings } }).config,
    async [Symbol.asyncDispose]() {
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
      await database.drop();
    },
  };
}
