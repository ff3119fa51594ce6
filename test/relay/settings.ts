/** Owns a whole `Config` for a test of one stage: defaults, and only what the test is about set otherwise. */
import { type Settings, settingsEnv } from '../../harness/relay-process.ts';
import { type Config, loadConfig } from '../../relay/config/config.ts';

export type Addresses = { readonly databaseUrl?: string; readonly brokers?: readonly string[] };

export function configOf(settings: Settings = {}, addresses: Addresses = {}): Config {
  const env = {
    DATABASE_URL: addresses.databaseUrl ?? 'postgres://not-set.invalid/',
    KAFKA_BROKERS: addresses.brokers?.join(',') ?? 'not-set.invalid:9092',
    SCHEMA_REGISTRY_URL: 'http://not-set.invalid/',
    ...settingsEnv(settings),
  };
  return loadConfig({ env }).config;
}
