/** A migrated database with a login of the relay's rights, and the settings of a relay that nobody else uses. */
import { type Config, loadConfig } from '../../../relay/config/config.ts';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { applyRoles, makeLogin } from '../../support/roles.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

export type RelayDatabase = AsyncDisposable & {
  /** Superuser. */
  readonly pool: TestDatabase['pool'];
  readonly url: TestDatabase['url'];
  /** As the relay logs in. */
  readonly env: Record<string, string>;
  config(settings?: Record<string, string>): Config;
};

export async function openRelayDatabase(): Promise<RelayDatabase> {
  const [database, { brokers, registryUrl }] = [await createMigratedDatabase(), await servers()];
  await applyRoles(database.pool);
  const login = await makeLogin(database, 'replication in role outbox_relay');
  const env: Record<string, string> = {
    ...login.env,
    KAFKA_BROKERS: brokers.join(','),
    SCHEMA_REGISTRY_URL: registryUrl,
    OUTBOX_RELAY_SLOT: unique('slot'),
    OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: unique('progress'),
    OUTBOX_RELAY_TOPICS_ALLOW: `${unique('outbox')}.*`,
    OUTBOX_RELAY_SCHEMAS_DIRECTORY: '/nonexistent',
  };
  return {
    pool: database.pool,
    url: database.url,
    env,
    config: (settings = {}) => loadConfig({ env: { ...env, ...settings } }).config,
    async [Symbol.asyncDispose]() {
      await login.drop();
      await database.drop();
    },
  };
}
