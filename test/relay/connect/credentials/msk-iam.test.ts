/** What the packages of AWS sign with invented credentials: as far as it goes without AWS. */
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestMskToken } from '../../../../relay/connect/credentials/msk-iam.ts';
import { saslOptions } from '../../../../relay/connect/kafka-sasl.ts';
import { passwordSource } from '../../../../relay/connect/postgres/password.ts';
import { configOf } from '../../settings.ts';

const invented = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'canary' };
const before = { ...process.env };
beforeAll(() => Object.assign(process.env, invented));
afterAll(() => {
  process.env = before;
});

const silent = pino({ level: 'silent' });

test('MSK gets a signed request of its region, which counts for 15 minutes', async () => {
  const { value, expiresAtMs = 0 } = await requestMskToken('eu-west-1', undefined);
  const signed = new URL(Buffer.from(value, 'base64url').toString());
  expect(signed.host).toBe('kafka.eu-west-1.amazonaws.com');
  expect(signed.searchParams.get('Action')).toBe('kafka-cluster:Connect');
  expect(signed.href).not.toContain('canary');
  expect(Math.round((expiresAtMs - Date.now()) / 60_000)).toBe(15);
});

test('MSK is signed in to by OAUTHBEARER with that token', async () => {
  const { kafka } = configOf({
    KAFKA_SASL_MECHANISM: 'aws-iam',
    KAFKA_AWS_REGION: 'eu-west-1',
    KAFKA_SSL: true,
  });
  const sasl = saslOptions(kafka, silent);
  if (sasl === undefined || !('authenticationProvider' in sasl)) throw new Error('no mechanism of our own');
  expect(sasl.mechanism).toBe('oauthbearer');
  const sent: string[] = [];
  const { authenticate } = sasl.authenticationProvider({
    saslAuthenticate: async ({ request }) => {
      sent.push((await request.encode()).subarray(4).toString());
    },
  } as Parameters<typeof sasl.authenticationProvider>[0]);
  await authenticate();
  const [message = '', ...more] = sent;
  expect([message.split('\u0001'), more]).toEqual([
    ['n,,', expect.stringMatching(/^auth=Bearer aHR0cHM6Ly9rYWZrYS5[\w-]+$/), '', ''],
    [],
  ]);
});

test('RDS gets a token for its host, port and user as the password', async () => {
  const { database } = configOf({ DATABASE_PASSWORD_FROM: 'rds-iam' });
  const host = 'shop.abc.eu-west-1.rds.amazonaws.com';
  const token = await passwordSource(database)?.({
    host,
    port: 5432,
    user: 'outbox_relay',
    database: 'shop',
  });
  const signed = new URL(`https://${token}`);
  expect([signed.host, signed.searchParams.get('DBUser')]).toEqual([`${host}:5432`, 'outbox_relay']);
  expect(signed.searchParams.get('X-Amz-Credential')).toContain('/eu-west-1/rds-db/');
});
