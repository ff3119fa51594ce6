/** `outbox-relay dead-letters release`: let the events of parked keys flow again, in order. */
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { createPool } from '../../connect/postgres/pool.ts';
import { exitCodes } from '../../errors.ts';
import { shortened } from '../../observe/printable.ts';
import { parseLetterName } from '../../operations/dead-letters/letter.ts';
import {
  type KeySelection,
  listParkedKeys,
  type Outcome,
  type ParkedKeyView,
  readOutcomes,
  requestRelease,
} from '../../operations/dead-letters/release.ts';
import { assertLettersShown, whoami } from '../../operations/dead-letters/transaction.ts';
import type { Load } from '../load.ts';
import { print } from '../output.ts';
import { formatTable } from '../table.ts';
import { collect } from './options.ts';
import { reporter } from './reporter.ts';

type ReleaseOptions = {
  topic?: string[];
  key?: string[];
  all?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  wait: number;
  by: string;
  reason?: string;
  json?: boolean;
};

const help = `
Where the policy of a topic is park-key, a refused event makes the later ones of its key wait. Fix or discard it first, then
release the key: the relay publishes what waits, in order and before whatever comes later. One that is still refused stops
the release there; it and what is behind it wait on, and its new reason is in \`list\`. Without --yes nothing is changed: it
shows the parked keys. Two people at once make one release; pressed again it is asked for again.

The relay does it, so it must run. Until then the dead letters of the key cannot be changed.

Exit codes: 0 all that waited is published (--dry-run: shown) · 1 not asked for, refused, or not done within --wait ·
64 arguments, or none of those keys is parked · 69 Postgres does not answer · 77 rights: grant outbox_operator

Examples:
  $ outbox-relay dead-letters release --all --dry-run
  $ outbox-relay dead-letters release 000000000172f1a8.00000000 --yes
  $ outbox-relay dead-letters release --topic outbox.event.order --key 42 --reason OPS-17 --yes`;

export function releaseCommand(load: Load): Command {
  return new Command('release')
    .description('publish what waits for parked keys, in order')
    .argument('[letters...]', 'dead letters whose keys are meant: positions, or ids of the events')
    .option('--topic <topic>', 'keys of this topic; may be repeated, like the next', collect)
    .option('--key <aggregateid>', 'this key', collect)
    .option('--all', 'every parked key')
    .option('--dry-run', 'show the parked keys and change nothing')
    .option('--yes', 'do it')
    .option('--wait <seconds>', 'how long to wait for a relay that makes no progress', seconds, 30)
    .option('--by <name>', 'who does it, for the trail', whoami())
    .option('--reason <text>', 'noted in the trail')
    .option('--json', 'print a JSON array, one object a key')
    .addHelpText('after', help)
    .action(async (names: string[], options: ReleaseOptions, command: Command) => {
      const selection = selectionOf(names, options);
      if (selection === undefined) command.error('error: name dead letters or keys, or give --all');
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      try {
        const keys = await listParkedKeys(pool, config.slot, selection ?? {});
        await assertLettersShown(pool, config);
        if (keys.length === 0) command.error(`error: no such key is parked under slot ${config.slot}`);
        const isAsking = options.dryRun === true || options.yes !== true;
        const shown = isAsking
          ? keys.map((key) => ({ ...key, outcome: null, published: 0 }))
          : await release(pool, config.slot, keys, options);
        print(command, options.json ? JSON.stringify(shown) : describe(shown, isAsking));
        const isDone = shown.every(({ outcome }) => outcome === 'released');
        if (!isDone && options.dryRun !== true) process.exitCode = exitCodes.findings;
      } finally {
        await pool.end();
      }
    });
}

function selectionOf(
  names: readonly string[],
  { topic, key, all }: ReleaseOptions,
): KeySelection | undefined {
  if (names.length === 0 && topic === undefined && key === undefined && all !== true) return undefined;
  return {
    ...(names.length === 0 ? {} : { letters: { names: names.map(parseLetterName) } }),
    ...(topic === undefined ? {} : { topics: topic }),
    ...(key === undefined ? {} : { keys: key }),
  };
}

function seconds(value: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new InvalidArgumentError('expected a whole number of seconds.');
  return Number(value);
}

/** `pending`: the relay has not met the request yet. `not-parked`: somebody else was faster. */
type Done = ParkedKeyView & {
  readonly outcome: 'released' | 'refused' | 'pending' | 'not-parked' | null;
  readonly published: number;
};

/** A release that was cut at the limit of one Kafka transaction is asked for again, until all that waits is published. */
async function release(
  pool: pg.Pool,
  slot: string,
  keys: readonly ParkedKeyView[],
  { by, reason, wait }: ReleaseOptions,
): Promise<Done[]> {
  const report = reporter();
  const done = new Map<ParkedKeyView, Done>(
    keys.map((key) => [key, { ...key, outcome: 'pending', published: 0 }]),
  );
  const pending = new Map<number, ParkedKeyView>();
  const ask = async (key: ParkedKeyView) => {
    const request = await requestRelease(pool, slot, key, by, reason ?? null);
    if (request === undefined) done.set(key, { ...done.get(key)!, outcome: 'not-parked' });
    else pending.set(request, key);
  };
  for (const key of keys) await ask(key);
  let untilMs = performance.now() + wait * 1_000;
  while (pending.size > 0) {
    const outcomes = await readOutcomes(pool, slot, firstOf(pending.keys(), mostLookedAt));
    for (const { request, outcome, published } of outcomes) {
      const key = pending.get(request)!;
      pending.delete(request);
      const before = done.get(key)!;
      done.set(key, { ...before, ...resultOf(outcome), published: before.published + published });
      if (outcome === 'limited') await ask(key);
      untilMs = performance.now() + wait * 1_000;
      report.show(keys.length - pending.size, keys.length);
    }
    if (performance.now() >= untilMs) break;
    if (outcomes.length === 0) await delay(pollMs);
  }
  report.clear();
  return withReasons(pool, slot, [...done.values()]);
}

const pollMs = 100;
/** The relay meets the requests in their order. */
const mostLookedAt = 500;

function firstOf<Item>(items: Iterable<Item>, count: number): Item[] {
  const first: Item[] = [];
  for (const item of items) if (first.push(item) === count) break;
  return first;
}

function resultOf(outcome: Outcome['outcome']): Pick<Done, 'outcome'> {
  return { outcome: outcome === 'limited' ? 'pending' : outcome };
}

/** What the keys that still wait now look like. */
async function withReasons(pool: pg.Pool, slot: string, done: readonly Done[]): Promise<Done[]> {
  const now = await listParkedKeys(pool, slot, {
    topics: [...new Set(done.map(({ topic }) => topic))],
    keys: done.map(({ key }) => key),
  });
  // A topic's name has no NUL.
  const byName = new Map(now.map((each) => [`${each.topic}\0${each.key}`, each]));
  return done.map((each) => {
    const still = byName.get(`${each.topic}\0${each.key}`);
    return { ...each, ...(still ?? { open: 0, parked: 0, first: null, isBeingReleased: false }) };
  });
}

function describe(keys: readonly Done[], isAsking: boolean): string {
  const head = ['TOPIC', 'KEY', 'PARKED SINCE', 'OPEN', 'WAITING', 'STOPS AT', isAsking ? '' : 'RESULT'];
  const rows = keys.map(({ topic, key, parkedAt, open, parked, first, outcome, published }) => [
    topic,
    shortened(key),
    `${parkedAt.slice(0, 19)}Z`,
    String(open),
    String(parked),
    first === null ? '' : `${first.position} ${first.code}`,
    outcome === null ? '' : `${textOf[outcome]}, ${published} published`,
  ]);
  const table = formatTable([head, ...rows]);
  return isAsking ? `${table}\nnothing was changed; run again with --yes to release them` : table;
}

const textOf = {
  released: 'released',
  refused: 'stopped at one that is still refused',
  pending: 'asked for, not done yet: is the relay running?',
  'not-parked': 'not parked any more',
} as const;
