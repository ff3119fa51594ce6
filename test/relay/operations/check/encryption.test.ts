import { expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import { judgeKafka, judgePostgres, judgeRegistry } from '../../../../relay/operations/check/encryption.ts';

const configOf = (env: Record<string, string>) =>
  loadConfig({
    env: { DATABASE_URL: 'postgres://h/d', KAFKA_BROKERS: 'h:1', SCHEMA_REGISTRY_URL: 'http://h', ...env },
  }).config;

test.each([
  ['postgres://u:p@db.example/shop', false, 'warn'],
  ['postgres://u:p@db.example/shop?sslmode=verify-full', true, 'ok'],
  ['postgres://u:p@db.example/shop?sslmode=require', true, 'ok'],
  ['postgres://u:p@db.example/shop?sslmode=no-verify', true, 'warn'],
  ['postgres://u:p@db.example/shop?sslmode=require&uselibpqcompat=true', true, 'warn'],
  ['postgres://u:p@db.example/shop?sslmode=prefer&uselibpqcompat=true', true, 'warn'],
  ['postgres://u:p@db.example/shop?sslmode=require&uselibpqcompat=true&sslrootcert=ca.pem', true, 'ok'],
  ['postgres://u:p@127.0.0.1:5432/shop', false, 'ok'],
  ['postgres://u:p@[::1]/shop', false, 'ok'],
  ['postgres://u:p@localhost/shop', false, 'ok'],
  ['postgres:///shop?host=/var/run/postgresql', false, 'ok'],
  ['postgres:///shop?host=db.example', false, 'warn'],
  ['postgres://u:p@127.0.0.1.example/shop', false, 'warn'],
])('Postgres at %s, encrypted: %s is %s', (url, isEncrypted, status) => {
  const verdict = judgePostgres(url, isEncrypted);
  expect(verdict.status).toBe(status);
  expect(JSON.stringify(verdict)).not.toContain('u:p');
});

const plain = {
  OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'plain',
  OUTBOX_RELAY_KAFKA_SASL_USERNAME: 'me',
  OUTBOX_RELAY_KAFKA_SASL_PASSWORD: 'sesame',
};

const oauth = (protocol: string) => ({
  OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'oauthbearer',
  OUTBOX_RELAY_KAFKA_OAUTH_TOKEN_ENDPOINT: `${protocol}://idp/token`,
  OUTBOX_RELAY_KAFKA_OAUTH_CLIENT_ID: 'relay',
  OUTBOX_RELAY_KAFKA_OAUTH_CLIENT_SECRET: 'sesame',
});

test.each([
  [
    { ...plain, KAFKA_BROKERS: 'kafka-1:9092,localhost:9093' },
    'warn',
    'the password goes to kafka-1 unencrypted',
  ],
  [{ ...plain, KAFKA_BROKERS: 'kafka-1:9092', OUTBOX_RELAY_KAFKA_SSL: 'true' }, 'ok', 'TLS'],
  [{ ...plain, KAFKA_BROKERS: '127.0.0.1:9092' }, 'ok', 'this machine'],
  [{ ...plain, OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'scram-sha-512' }, 'warn', 'events go to h unencrypted'],
  [{}, 'warn', 'events go to h unencrypted'],
  [oauth('https'), 'warn', 'the token goes to h unencrypted'],
  [{ ...oauth('https'), OUTBOX_RELAY_KAFKA_SSL: 'true' }, 'ok', 'TLS'],
  [{ ...oauth('http'), OUTBOX_RELAY_KAFKA_SSL: 'true' }, 'warn', 'the client secret goes to idp unencrypted'],
])('Kafka with %o is %s: %s', (env, status, message) => {
  const verdict = judgeKafka(configOf(env as Record<string, string>).kafka);
  expect(verdict).toMatchObject({ status, message: expect.stringContaining(message) });
  expect(JSON.stringify(verdict)).not.toContain('sesame');
});

test.each([
  [{ SCHEMA_REGISTRY_URL: 'http://me:sesame@registry:8081' }, 'warn'],
  [{ SCHEMA_REGISTRY_URL: 'http://registry:8081', OUTBOX_RELAY_REGISTRY_TOKEN: 'sesame' }, 'warn'],
  [{ SCHEMA_REGISTRY_URL: 'https://registry', OUTBOX_RELAY_REGISTRY_TOKEN: 'sesame' }, 'ok'],
  [{ SCHEMA_REGISTRY_URL: 'http://registry:8081' }, 'ok'],
  [{ SCHEMA_REGISTRY_URL: 'http://me:sesame@localhost:8081' }, 'ok'],
])('the registry with %o is %s', (env, status) => {
  const verdict = judgeRegistry(configOf(env).registry);
  expect(verdict.status).toBe(status);
  expect(JSON.stringify(verdict)).not.toContain('sesame');
});
