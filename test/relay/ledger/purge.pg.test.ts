import { afterAll, beforeAll, expect, test } from 'vitest';
import { countRemovable, purgeClosed } from '../../../relay/ledger/purge.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';

let relay: RelayDatabase;
beforeAll(async () => {
  relay = await openRelayDatabase();
});
afterAll(() => relay[Symbol.asyncDispose]());

const daySeconds = 86_400;

/** Closed 1 to 6 days ago, and one an hour ago; one that was released waits for the progress, and one is open. */
const letters = `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, closed_at, released_lsn)
  select $1, '0/10'::pg_lsn, n, 'PAYLOAD_INVALID', 'x', case when n % 2 = 0 then 'discarded' else 'resubmitted' end,
         now() - make_interval(days => n), null::pg_lsn from generate_series(1, 6) n
  union all select $1, '0/20', 0, 'PAYLOAD_INVALID', 'x', 'discarded', now() - interval '1 hour', null
  union all select $1, '0/20', 1, 'PAYLOAD_INVALID', 'x', 'released', now() - interval '9 days', '0/99'
  union all select $1, '0/20', 2, 'PAYLOAD_INVALID', 'x', 'open', now() - interval '9 days', null`;

test.each([
  [{ olderThanSeconds: 3.5 * daySeconds }, 3],
  [{ keep: 2 }, 5],
  [{ keep: 1, statuses: ['discarded'] }, 3],
  [{ keep: 3, olderThanSeconds: 5.5 * daySeconds }, 4],
  [{ keep: 7, olderThanSeconds: 2.5 * daySeconds }, 4],
  [{ keep: 100 }, 0],
])('a preview of %j counts what a person then removes: %i', async (retention, n) => {
  const slot = JSON.stringify(retention);
  await relay.pool.query(letters, [slot]);
  expect(await countRemovable(relay.pool, slot, retention)).toBe(n);
  expect(await purgeClosed(relay.pool, slot, { by: 'person', ...retention })).toMatchObject({ purged: n });
  expect(await countRemovable(relay.pool, slot, retention)).toBe(0);
});
