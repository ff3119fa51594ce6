/** What a relay writes into the audit trail when it recovers by itself, with no more than the rights of a relay. */
import { expect, test } from 'vitest';
import { createPool } from '../../../relay/connect/postgres/pool.ts';
import {
  type OwnRecovery,
  readOwnRecovery,
  recordOwnRecovery,
} from '../../../relay/ledger/own-recoveries.ts';
import { openRelayDatabase } from '../commands/outbox.ts';

const recovery: OwnRecovery = {
  code: 'SLOT_INVALIDATED',
  outcome: 'recovered',
  published: 7,
  deadLettered: 1,
  tookMs: 12.5,
  uncertainKeys: 2,
};
const refusal: OwnRecovery = { ...recovery, outcome: 'refused', published: 0, deadLettered: 0 };

test('each success is a line, a refusal that is repeated one an hour, and the latest success is found for a day', async () => {
  await using relay = await openRelayDatabase();
  const pool = createPool(relay.config());
  const record = (what: OwnRecovery) => recordOwnRecovery(pool, 'shop', 'pod-a/7', what);
  const age = (interval: string) =>
    relay.pool.query(`update outbox.action set acted_at = acted_at - $1::interval`, [interval]);
  const outcomes = async () =>
    (
      await relay.pool.query(`select details ->> 'outcome' as outcome from outbox.trail order by acted_at`)
    ).rows.map(({ outcome }) => outcome);
  try {
    await record(refusal);
    await record(refusal);
    expect(await readOwnRecovery(pool, 'shop')).toBeNull();
    await age('61 minutes');
    await record(refusal);
    await record(recovery);
    await record({ ...recovery, published: 8 });
    expect(await outcomes()).toEqual(['refused', 'refused', 'recovered', 'recovered']);
    expect(await readOwnRecovery(pool, 'shop')).toEqual({
      at: expect.any(String),
      by: 'relay pod-a/7',
      code: 'SLOT_INVALIDATED',
      published: 8,
      deadLettered: 1,
      tookMs: 13,
      uncertainKeys: 2,
    });
    expect(await readOwnRecovery(pool, 'other')).toBeNull();
    await age('24 hours');
    expect(await readOwnRecovery(pool, 'shop')).toBeNull();
  } finally {
    await pool.end();
  }
});
