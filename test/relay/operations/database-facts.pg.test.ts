/** What the console shows of the database and of the audit trail, with the rights of an operator. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recentActions } from '../../../relay/operations/actions.ts';
import { limitRate, pauseRelay, resumeRelay } from '../../../relay/operations/control.ts';
import { databaseFacts } from '../../../relay/operations/database-facts.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { unique } from '../../support/unique.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';

let relay: RelayDatabase;
let operator: Login;
beforeAll(async () => {
  relay = await openRelayDatabase();
  operator = await makeOperator(relay);
});
afterAll(async () => {
  await operator?.drop();
  await relay[Symbol.asyncDispose]();
});

/** With the rights of an operator and no others. */
function asOperator() {
  const config = relay.config({
    OUTBOX_RELAY_SLOT: unique('slot').replaceAll('-', '_'),
    OUTBOX_RELAY_TOPICS_ALLOW: 'orders,items',
  });
  return { ...config, database: { ...config.database, url: operator.url } };
}

test('each part of the database is known, or says why it is not', async () => {
  const config = asOperator();
  const facts = await databaseFacts(config);
  expect(JSON.parse(JSON.stringify(facts))).toMatchObject({
    slotName: config.slot.name,
    outlook: {
      value: { slot: null, directoryBytes: null, untilLimitSeconds: null, untilDiskSeconds: null },
    },
    publication: {
      value: {
        name: config.publication,
        publishes: ['insert'],
        tables: [
          { name: 'outbox.event', filter: null },
          { name: 'outbox.heartbeat', filter: null },
        ],
        fault: null,
      },
    },
    roles: {
      value: [
        {
          name: operator.role,
          isOurs: true,
          streams: false,
          isRelay: false,
          isOperator: true,
          missing: null,
        },
      ],
    },
  });
  expect(facts.pieces).toMatchObject({
    value: expect.arrayContaining([
      expect.objectContaining({ name: 'outbox.event_default', isDefault: true }),
    ]),
  });
  const unpublished = await databaseFacts({ ...config, publication: 'no_such_publication' });
  expect(unpublished.publication).toMatchObject({
    value: { publishes: [], tables: [], fault: { code: 'PUBLICATION_MISSING' } },
  });
  const strange = await databaseFacts({ ...config, outbox: { ...config.outbox, table: 'app.absent' } });
  expect(strange.outlook).toHaveProperty('value');
  expect(strange.publication).toMatchObject({ value: { fault: { code: 'OUTBOX_TABLE_INVALID' } } });
});

test('the trail of a slot goes back page by page, the latest first', async () => {
  const config = asOperator();
  const telling = { config, actor: { person: 'ada', reason: 'upgrade' }, waitMs: 0, isDryRun: false };
  expect(await recentActions(config, 2)).toEqual({ actions: [], next: null });
  await pauseRelay({ ...telling, topic: undefined, mode: 'hold', forSeconds: 60 });
  await limitRate({ ...telling, eventsPerSecond: 5, bytesPerSecond: undefined });
  await resumeRelay({ ...telling, what: 'all' });
  const first = await recentActions(config, 2);
  expect(first.actions).toMatchObject([
    { action: 'resume', target: null, person: 'ada', role: operator.role, reason: 'upgrade' },
    { action: 'rate-limit', details: expect.stringContaining('5') },
  ]);
  expect(first.next).not.toBeNull();
  expect(await recentActions(config, 2, first.next)).toMatchObject({
    actions: [{ action: 'pause' }],
    next: null,
  });
});
