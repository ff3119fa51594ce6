/** Causes and pages of dead letters, with the rights of an operator and no others. */
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../../../relay/config/config.ts';
import { groupDeadLetters, readGroups } from '../../../../relay/operations/dead-letters/groups.ts';
import { pageOfDeadLetters } from '../../../../relay/operations/dead-letters/list.ts';
import { listLetters } from '../../../../relay/operations/dead-letters/read.ts';
import { type LetterDatabase, openLetterDatabase } from './letters.ts';

let database: LetterDatabase;
let config: Config;
beforeAll(async () => {
  database = await openLetterDatabase();
  ({ config } = database.operator);
});
afterAll(() => database?.[Symbol.asyncDispose]());
beforeEach(() => database.pool.query('truncate outbox.dead_letter cascade'));

/** Leaves letters of the second half of the WAL, as `set` says. */
async function leave(commitLsn: string, count: number, set: string): Promise<void> {
  await database.leave(commitLsn, count);
  await database.pool.query(`update outbox.dead_letter set ${set} where commit_lsn = $1`, [commitLsn]);
}

describe('groups', () => {
  test('are one for a code, type, topic and path, whatever the index in an array', async () => {
    await leave(
      '0/3000',
      5,
      `code = 'PAYLOAD_INVALID', path = '$.lines[' || ordinal || '].price', message = 'no ' || ordinal`,
    );
    await leave('0/2000', 2, `type = '', topic = 'a'`);
    await leave('0/1000', 1, `type = null, topic = 'a', message = 'oldest'`);
    const { total, groups, groupsLeftOut } = await groupDeadLetters(config, { statuses: ['open'] });
    expect({ total, groupsLeftOut }).toEqual({ total: 8, groupsLeftOut: 0 });
    expect(groups).toMatchObject([
      {
        code: 'PAYLOAD_INVALID',
        path: '$.lines[*].price',
        message: 'no 0',
        count: 5,
        topic: null,
        oldestPosition: '0000000000003000.00000000',
      },
      { code: 'SCHEMA_MISSING', type: null, topic: 'a', path: null, message: 'oldest', count: 3 },
    ]);
  });

  test('are the selection by which they are listed', async () => {
    await leave('0/3000', 5, `path = '$.lines[' || ordinal || '].price', topic = 'b'`);
    await leave('0/2000', 2, `type = '', topic = 'a'`);
    await leave('0/1000', 1, `type = null, topic = 'a'`);
    const { groups } = await groupDeadLetters(config, {});
    for (const { code, type, aggregatetype, topic, path, count } of groups) {
      const selection = {
        codes: [code],
        types: [type ?? ''],
        aggregatetypes: [aggregatetype ?? ''],
        topics: [topic ?? ''],
        paths: [path ?? ''],
      };
      expect(await pageOfDeadLetters(config, selection, 1)).toMatchObject({ total: count });
    }
    expect(await pageOfDeadLetters(config, { paths: ['$.lines[3].price'] }, 9)).toMatchObject({ total: 1 });
  });

  test('that are left out are counted', async () => {
    await leave('0/1000', 9, `type = 't' || ordinal`);
    const { total, groups, groupsLeftOut } = await groupDeadLetters(config, {}, 4);
    expect({ total, shown: groups.length, groupsLeftOut }).toEqual({ total: 9, shown: 4, groupsLeftOut: 5 });
  });

  test('are none where there is none', async () => {
    expect(await groupDeadLetters(config, {})).toMatchObject({ total: 0, groups: [], groupsLeftOut: 0 });
  });
});

test('pages follow one another, each with the total', async () => {
  await database.leave('0/1000', 5);
  const first = await pageOfDeadLetters(config, {}, 3);
  expect(first).toMatchObject({ total: 5, next: '0000000000001000.00000002' });
  const after = { commitLsn: 0x1000n, ordinal: 2 };
  const second = await pageOfDeadLetters(config, { after }, 3);
  expect(second).toMatchObject({ total: 5, next: null });
  expect(second.letters.map(({ position }) => position)).toEqual([
    '0000000000001000.00000003',
    '0000000000001000.00000004',
  ]);
});

describe('with 100,000 open dead letters', () => {
  beforeEach(async () => {
    await database.pool.query(
      `insert into outbox.dead_letter
         (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
       select $1, '0/0'::pg_lsn + n * 16, 0, n, 'item', 'k' || n % 1000, 'test.T' || n % 20, '{}', 't' || n % 5,
              'PAYLOAD_INVALID', 'expected long', '$.lines[' || n % 50 || '].price' from generate_series(1, 100000) as n`,
      [config.slot.name],
    );
    await database.pool.query('vacuum analyze outbox.dead_letter');
  }, 60_000);

  /** How Postgres runs the one statement of a read. */
  async function planOf(read: (client: pg.Pool) => Promise<unknown>): Promise<string> {
    let plan = '';
    const client = {
      query: async (text: string, values: unknown[]) => {
        const { rows } = await database.pool.query(`explain ${text}`, values);
        plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        return database.pool.query(text, values);
      },
    };
    await read(client as unknown as pg.Pool);
    return plan;
  }

  // 110 ms for the groups and 30 ms for a page, on a quiet machine with payloads of 1 KB.
  test('a page reads as many rows as it shows, and the groups each row once', async () => {
    const slot = config.slot.name;
    const page = await planOf((client) => listLetters(client, slot, { statuses: ['open'] }, 51));
    expect(page).toMatch(/^Limit[\s\S]*-> +Index Scan using \S+ on dead_letter letter/);
    expect(page).not.toMatch(/Sort|Seq Scan on dead_letter/);
    const groups = await planOf((client) => readGroups(client, slot, { statuses: ['open'] }, 500));
    expect(groups.match(/on dead_letter letter/g)).toHaveLength(2);
    expect(groups).toMatch(/Index Scan using dead_letter_pkey on dead_letter letter/);
    expect(groups).not.toMatch(/Sort Key: letter/);
    const { total: counted, groups: found } = await readGroups(database.pool, slot, {}, 500);
    expect({ counted, groups: found.length }).toEqual({ counted: 100_000, groups: 20 });
  });
});
