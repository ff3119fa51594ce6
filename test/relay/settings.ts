/** Owns a whole `Config` for a test of one stage: defaults, and only what the test is about set otherwise. */
import { type Config, loadConfig } from '../../relay/config/config.ts';

/** Settings by the name of their environment variable, without the prefix `OUTBOX_RELAY_`. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

export type Addresses = { readonly databaseUrl?: string; readonly brokers?: readonly string[] };

export function configOf(settings: Settings = {}, addresses: Addresses = {}): Config {
  const env: Record<string, string> = {
    DATABASE_URL: addresses.databaseUrl ?? 'postgres://not-set.invalid/',
    KAFKA_BROKERS: addresses.brokers?.join(',') ?? 'not-set.invalid:9092',
    SCHEMA_REGISTRY_URL: 'http://not-set.invalid/',
  };
  for (const [name, value] of Object.entries(settings)) env[`OUTBOX_RELAY_${name}`] = String(value);
  return loadConfig({ env }).config;
}
