import { expect, test } from 'vitest';
import { type Visitor, visitorOf } from '../../../../console/server/access/visitor.ts';
import { blind, startAsking, viewer } from '../asking.ts';

const desk = startAsking({
  DATABASE_URL: 'postgres://127.0.0.1:1/none',
  KAFKA_BROKERS: '127.0.0.1:1',
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
});
const sighted = visitorOf('Sight', 'view', 'token', { viewPayloads: 'full', operatePayloads: 'full' });
const tryRows = (by: Visitor) =>
  desk.ask(by, '/schemas/jobs/try', { body: { subject: 'orders-OrderPlaced', text: '{}', limit: 1 } });

test('rows are tried with a pasted schema only for those who may see what they hold, whatever else they may', async () => {
  for (const masked of [viewer, blind])
    expect(await tryRows(masked)).toMatchObject({ status: 403, body: { code: 'PAYLOADS_MASKED' } });
  expect(await tryRows(sighted)).toMatchObject({ status: 200, body: { jobId: expect.any(String) } });
});
