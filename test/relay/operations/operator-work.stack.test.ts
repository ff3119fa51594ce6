/** What each role may do, tried on real servers: the table of operator-work.ts is true, and complete. */
import pg from 'pg';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Config, loadConfig } from '../../../relay/config/config.ts';
import { ownTable } from '../../../relay/config/own-table.ts';
import { postgresError } from '../../../relay/connect/postgres/errors.ts';
import { recentActions } from '../../../relay/operations/actions.ts';
import { auditReport } from '../../../relay/operations/audit.ts';
import { cleanUp } from '../../../relay/operations/cleanup.ts';
import { limitRate, pauseRelay, resumeRelay } from '../../../relay/operations/control.ts';
import { fixDeadLetters } from '../../../relay/operations/dead-letters/fix-many.ts';
import { groupDeadLetters } from '../../../relay/operations/dead-letters/groups.ts';
import { parseLetterName } from '../../../relay/operations/dead-letters/letter.ts';
import { pageOfDeadLetters } from '../../../relay/operations/dead-letters/list.ts';
import { oneDeadLetter } from '../../../relay/operations/dead-letters/one.ts';
import { pageOfParkedKeys } from '../../../relay/operations/dead-letters/parked-keys.ts';
import { previewPurge, purgeDeadLetters } from '../../../relay/operations/dead-letters/purge.ts';
import { releaseKeys } from '../../../relay/operations/dead-letters/release-keys.ts';
import { discard, resubmit } from '../../../relay/operations/dead-letters/resubmit-discard.ts';
import { findUndoable, undoFix } from '../../../relay/operations/dead-letters/undo.ts';
import { findEvents } from '../../../relay/operations/find-event/find-event.ts';
import {
  grantOf,
  notForOperators,
  onTable,
  operatorWork,
  type Work,
} from '../../../relay/operations/operator-work.ts';
import { listReplays, showReplay } from '../../../relay/operations/replay.ts';
import { readRecentRows } from '../../../relay/operations/schemas/recent-rows.ts';
import { readStatus } from '../../../relay/operations/status.ts';
import { verify } from '../../../relay/operations/verify.ts';
import { keepPool } from '../../../relay/operations/with-pool.ts';
import { type Login, makeLogin, makeOperator } from '../../support/roles.ts';
import { World } from '../world.ts';

const log = pino({ level: 'silent' });
const actor = { person: 'ada', reason: 'a test' };
const signal = new AbortController().signal;

let world: World;
let operator: Login;
let published: string;
let ordinal = 0;

beforeAll(async () => {
  world = await World.create(1);
  // With a policy on some table, sessions read on where row-level security is enabled later.
  await world.pool.query('alter table outbox.heartbeat enable row level security');
  operator = await makeOperator(world.database);
  const relay = world.startRelay();
  await relay.streaming();
  // In the default partition, which is the only one that cleanup can look at so early.
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
       values ('item', 'k', 'test.ItemMoved', '{"key":"k","seq":1}', '1999-01-01Z') returning id`,
  );
  published = rows[0]!.id;
  await world.read([published]);
  await world.pool.query(
    `insert into outbox.replay (id, slot, range, facts, is_first, total, started_at, updated_at)
       values ('r', $1, '{}', '{}', false, 0, now(), now())`,
    [world.slot],
  );
  // Cleanup looks at no row before the relay has said up to where it published.
  const covered = 'select from outbox.progress where slot = $1 and covered_at is not null';
  await vi.waitFor(async () => expect((await world.pool.query(covered, [world.slot])).rowCount).toBe(1), {
    timeout: 30_000,
    interval: 50,
  });
  relay.signal('SIGTERM');
  await relay.exited;
});
afterAll(async () => {
  await operator?.drop();
  await world?.[Symbol.asyncDispose]();
});

const configAs = ({ env }: Pick<Login, 'env'>): Config =>
  loadConfig({ env: { ...world.env, ...env, OUTBOX_RELAY_CLEANUP_RETENTION: '1d' } }).config;

/** A dead letter, and a key that is parked by it if so asked. @returns its position */
async function leave(isParked = false): Promise<string> {
  ordinal += 1;
  const values = [world.slot, ordinal, `k${ordinal}`, world.topic];
  await world.pool.query(
    `insert into outbox.dead_letter (slot, commit_lsn, ordinal, event_id, aggregatetype, aggregateid, type, payload, topic, code, message, path)
     values ($1, '0/10', $2, gen_random_uuid(), 'item', $3, 'test.ItemMoved', '{"key":"k","seq":"x"}', $4, 'PAYLOAD_INVALID', 'x', '$.seq')`,
    values,
  );
  if (isParked)
    await world.pool.query(
      `insert into outbox.parked_key (slot, commit_lsn, ordinal, key, topic) values ($1, '0/10', $2, $3, $4)`,
      values,
    );
  return `0000000000000010.${ordinal.toString(16).padStart(8, '0')}`;
}

const named = (position: string) => ({ names: [parseLetterName(position)] });

/** Does it, by what `does` of each says. */
const attempts: Readonly<Record<string, (config: Config) => Promise<unknown>>> = {
  'see what the relays do': readStatus,
  'find events': async (config) => {
    const wanted = { by: { kind: 'id' as const, id: published }, since: null, until: null };
    const { events, missing } = await findEvents({ config, log, wanted });
    const [failure] = Object.values(missing).filter((each) => each !== null);
    if (failure !== undefined) throw Object.assign(new Error(failure.message), { code: failure.code });
    expect(events).toMatchObject([{ state: 'published', rows: [{}], records: [{}] }]);
  },
  'look at dead letters and parked keys': async (config) => {
    const position = await leave(true);
    await pageOfDeadLetters(config, {}, 10);
    await groupDeadLetters(config, {});
    await oneDeadLetter(config, position);
    await pageOfParkedKeys(config, {}, 10);
  },
  'fix dead letters, and undo that': async (config) => {
    const position = await leave();
    const patch = '[{"op":"replace","path":"/seq","value":1}]';
    expect(await fixDeadLetters({ config, selection: named(position), patch, actor })).toMatchObject({
      fixed: 1,
    });
    const { fix } = await findUndoable(config, position);
    expect(await undoFix(config, position, fix, actor)).toMatchObject({ isUndone: true });
  },
  'resubmit dead letters': async (config) => {
    const selection = named(await leave());
    expect(await resubmit({ config, selection, actor })).toMatchObject({ done: 1 });
  },
  'discard dead letters': async (config) => {
    const selection = named(await leave());
    expect(await discard({ config, selection, actor })).toMatchObject({ done: 1 });
  },
  'purge closed dead letters': async (config) => {
    const kept = { olderThanSeconds: 90_000, keep: undefined, statuses: ['discarded' as const] };
    await previewPurge({ config, ...kept });
    await purgeDeadLetters({ config, actor, onProgress: () => {}, ...kept });
    await purgeDeadLetters({
      config,
      actor,
      onProgress: () => {},
      ...kept,
      olderThanSeconds: undefined,
      keep: 9,
    });
  },
  'release parked keys': async (config) => {
    const selection = { letters: named(await leave(true)) };
    expect(await releaseKeys({ config, selection, actor, waitMs: 0, onProgress: () => {} })).toMatchObject([
      { outcome: 'pending' },
    ]);
  },
  'try recent rows with new schemas': (config) => readRecentRows(config, { limit: 10 }, async () => {}),
  'see what the standing audit found': auditReport,
  'verify: compare the table with the topics': (config) =>
    verify({ config, log, waitMs: 0, maxIds: 1, expectAll: false }),
  'preview cleanup': async (config) => {
    const { pieces } = await cleanUp({ config, actor: null, signal, onStep: () => {} });
    expect(pieces.find(({ name }) => name === 'outbox.event_default')).toMatchObject({ isEstimate: false });
  },
  'pause, resume and limit the relay': async (config) => {
    const telling = { config, actor, waitMs: 0, isDryRun: false };
    await pauseRelay({ ...telling, topic: undefined, mode: 'hold', forSeconds: undefined });
    await resumeRelay({ ...telling, what: 'all' });
    await limitRate({ ...telling, eventsPerSecond: 5, bytesPerSecond: undefined });
  },
  'see who did what': async (config) => {
    await recentActions(config, 10);
    await asked(config, 'select from outbox.trail');
  },
  'see what was replayed': async (config) => {
    const [replay] = await listReplays(config);
    await showReplay(config, replay!.id, 10);
  },
};

async function asked(config: Config, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: config.database.url });
  await client.connect();
  try {
    await client.query(sql);
  } catch (error) {
    throw postgresError(error, 'asking');
  } finally {
    await client.end();
  }
}

/** The code of the error that it ends with; `done` where it does not fail. */
const outcomeOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'done',
    (error: unknown) =>
      error instanceof Error && 'code' in error ? String(error.code) : Promise.reject(error),
  );

/** A login that has nothing of the schema but these rights. */
async function loginWith(works: readonly Pick<Work, 'needs'>[]): Promise<Login> {
  const login = await makeLogin(world.database, '');
  const grants = works.flatMap(({ needs }) =>
    needs.map((right) => grantOf(onTable(right, ownTable), login.role)),
  );
  await world.pool.query([`grant usage on schema outbox to ${login.role}`, ...grants].join(';'));
  return login;
}

test('each thing that people do has an attempt here', () => {
  expect(Object.keys(attempts)).toEqual(operatorWork.map(({ does }) => does));
});

describe.each(operatorWork)('to $does', ({ does, needs }) => {
  const attempt = attempts[does]!;

  test('an operator may, whoever has just these rights may, and nobody else may', async () => {
    await attempt(configAs(operator));
    const [just, nobody] = [await loginWith([{ needs }]), await loginWith([])];
    try {
      await attempt(configAs(just));
      expect(await outcomeOf(attempt(configAs(nobody)))).toBe('POSTGRES_UNAUTHORIZED');
    } finally {
      await just.drop();
      await nobody.drop();
    }
  });

  test('nothing is said about a table of which a policy may hide rows', async () => {
    const config = configAs(operator);
    const endPool = keepPool(config);
    try {
      // Its sessions are of a time at which a policy showed every row.
      await attempt(config);
      for (const table of tablesOf(does, needs)) {
        await world.pool.query(`alter table ${table} enable row level security`);
        expect(await outcomeOf(attempt(config)), table).toBe('POSTGRES_ROWS_HIDDEN');
        await world.pool.query(`alter table ${table} disable row level security`);
      }
    } finally {
      await endPool();
      await world.pool.query(
        tablesOf(does, needs)
          .map((table) => `alter table ${table} disable row level security`)
          .join(';'),
      );
    }
  });
});

/** That it reads with the rights of the role. A view reads with those of its owner, whom no policy binds. */
function tablesOf(does: string, needs: Work['needs']): string[] {
  const ofStatus = new Set(operatorWork[0]!.needs.map(({ on }) => on));
  return needs
    .filter(({ right, on }) => right === 'select' && on !== 'outbox.trail')
    .filter(({ on }) => does !== 'find events' || !ofStatus.has(on))
    .map((right) => onTable(right, ownTable).on);
}

const ofTheRelay: Readonly<Record<string, readonly string[]>> = {
  run: ['run'],
  recover: ['recover'],
  adopt: ['adopt', 'slot', '--yes'],
  audit: ['audit', '--once'],
  cleanup: ['cleanup'],
  replay: ['replay', '--all', '--reason', 'x', '--yes'],
  migrate: ['migrate'],
};

test('an operator may not do what only the relay and the owner may', async () => {
  const env = { ...operator.env, OUTBOX_RELAY_CLEANUP_RETENTION: '1d' };
  const commands = notForOperators.flatMap((each) => each.commands);
  const results = await Promise.all(
    commands.map((command) => world.commandWith(env, ...ofTheRelay[command]!)),
  );
  // The relay says it in its log.
  expect(results.map(({ code, stdout, stderr }, index) => [commands[index], code, stdout + stderr])).toEqual(
    commands.map((command) => [command, 77, expect.stringContaining('POSTGRES_UNAUTHORIZED')]),
  );
});
