/** `outbox-relay dead-letters release`: publish the events of parked keys, in order. */
import { Command } from 'commander';
import { parseLetterName } from '../../operations/dead-letters/letter.ts';
import {
  type KeyRelease,
  type KeySelection,
  previewRelease,
  releaseKeys,
} from '../../operations/dead-letters/release-keys.ts';
import { type ActorOptions, withActor } from '../actor.ts';
import { collect, wholeNumber } from '../arguments.ts';
import { type Call, define } from '../command.ts';
import { count, counted, formatTable } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { bar, ProgressLine } from '../progress-line.ts';
import { cellOf, screenNow } from './table.ts';

type ReleaseOptions = ActorOptions & {
  topic?: string[];
  key?: string[];
  all?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  wait: number;
  json?: boolean;
};

const help = `
If the policy of a topic is park-key, a refused event parks its key: later events of the key wait behind it. Fix or
discard the refused event first, then release the key. The relay publishes the waiting events in order, before later
ones.

If an event is still refused, the policy of its topic decides. Under park-key and halt the release stops there: that event
and those behind it keep waiting. Under dead-letter it stays an open dead letter, and those behind it are published.
\`list\` shows the new reason. Without --yes the command shows the parked keys and changes nothing. If several people release the same key at
the same time, the relay releases it once.

The relay does the work, so it must be running. Until the release is done, the dead letters of the key cannot be changed.

Exit codes: 0 every waiting event is published, or --all and no key is parked (with --dry-run: shown) · 1 shown but not done, still refused, the
topic set aside, or not done within --wait · 64 none of the keys that you name is parked, or invalid arguments · 69 Postgres is unreachable · 77 access
denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters release --all --dry-run
  $ outbox-relay dead-letters release 000000000172f1a8.00000000 --yes
  $ outbox-relay dead-letters release --topic outbox.event.order --key 42 --reason OPS-17 --yes`;

export function releaseCommand(load: Load): Command {
  const command = new Command('release')
    .description('publish the events of parked keys, in order')
    .argument('[letters...]', 'dead letters of the keys: positions, or ids of the events')
    .option('--topic <topic>', 'keys of this topic; may be repeated, as may --key', collect)
    .option('--key <aggregateid>', 'this key only', collect)
    .option('--all', 'every parked key')
    .option('--dry-run', 'show the parked keys; change nothing, and exit with 0')
    .option('--yes', 'do it')
    .option(
      '--wait <seconds>',
      'how long to wait while the relay makes no progress',
      wholeNumber(0, 999_999),
      30,
    );
  withActor(command)
    .option('--json', 'print a JSON array, one object for each key')
    .addHelpText('after', helpText(help));
  return define<ReleaseOptions>(command, load, { needs: ['database'], validate, run });
}

function validate({ topic, key, all }: ReleaseOptions, names: readonly string[]): string | undefined {
  const isChosen = names.length > 0 || topic !== undefined || key !== undefined || all === true;
  return isChosen ? undefined : 'name dead letters or keys, or give --all';
}

async function run(call: Call<ReleaseOptions>) {
  const { dryRun, yes } = call.options;
  const isPreview = dryRun === true || yes !== true;
  const keys = await (isPreview ? previewRelease(call.config, selectionOf(call)) : release(call));
  const isDone = keys.every(({ outcome }) => outcome === 'released');
  return { data: keys, text: describe(keys, isPreview), hasFindings: !isDone && dryRun !== true };
}

function release(call: Call<ReleaseOptions>): Promise<KeyRelease[]> {
  const { by, reason, wait } = call.options;
  const line = new ProgressLine<readonly [number, number]>(
    ([done, of]) => `looked at: ${bar(done, of)} keys`,
  );
  return releaseKeys({
    config: call.config,
    selection: selectionOf(call),
    actor: { person: by, reason: reason ?? null },
    waitMs: wait * 1_000,
    onProgress: (done, of) => line.show([done, of]),
  }).finally(() => line.end());
}

function selectionOf({ args, options: { topic, key } }: Call<ReleaseOptions>): KeySelection {
  return {
    ...(args.length === 0 ? {} : { letters: { names: args.map(parseLetterName) } }),
    ...(topic === undefined ? {} : { topics: topic }),
    ...(key === undefined ? {} : { keys: key }),
  };
}

/** Exported for its test. */
export function describe(keys: readonly KeyRelease[], isPreview: boolean): string {
  if (keys.length === 0) return 'no key is parked: there is nothing to release';
  const head = ['TOPIC', 'KEY', 'PARKED SINCE', 'OPEN', 'WAITING', 'STOPS AT', isPreview ? '' : 'RESULT'];
  const rows = keys.map(({ topic, key, parkedAt, open, parked, first, outcome, published, refused }) => [
    topic,
    cellOf(key, screenNow()),
    `${parkedAt.slice(0, 19)}Z`,
    count(open),
    count(parked),
    first === null ? '' : `${first.position} ${first.code}`,
    outcome === null ? '' : `${textOf[outcome]}, ${count(published)} published${passedOf(outcome, refused)}`,
  ]);
  const table = formatTable([head, ...rows]);
  return isPreview
    ? `${table}\nnothing was changed; run again with --yes to release these keys. A refused event is then encoded again, with the schema and the settings of that moment`
    : [table, ...asideLines(keys), totalOf(keys)].join('\n');
}

/** What the policy dead-letter has a release pass. */
function passedOf(outcome: NonNullable<KeyRelease['outcome']>, refused: number): string {
  const passed = outcome === 'refused' ? refused - 1 : refused;
  return passed > 0 ? `, ${count(passed)} refused again and passed` : '';
}

/** A release cannot pass a pause. What ends the pause releases the keys of its topic, and no others that go there. */
function asideLines(keys: readonly KeyRelease[]): string[] {
  const lines = keys.flatMap(({ topic, outcome, setAside }) => {
    if (outcome !== 'set-aside') return [];
    if (setAside.length === 0)
      return [
        `${topic}: what waits goes to a topic that is or was set aside, which \`outbox-relay status\` names: resume it, and release the keys again`,
      ];
    return setAside.map((aside) =>
      aside === topic
        ? `${topic} is set aside: run \`outbox-relay resume --topic ${topic}\`, which releases its keys`
        : `${aside} is set aside, where events of ${topic} go now: run \`outbox-relay resume --topic ${aside}\`, and release the keys again`,
    );
  });
  return [...new Set(lines)];
}

function totalOf(keys: readonly KeyRelease[]): string {
  const released = keys.filter(({ outcome }) => outcome === 'released').length;
  const events = keys.reduce((sum, { published }) => sum + published, 0);
  return `released: ${count(released)} of ${counted(keys.length, 'key')}; ${counted(events, 'event')} published`;
}

const textOf = {
  released: 'released',
  'set-aside': 'the topic is set aside',
  refused: 'stopped at an event that is still refused',
  pending: 'requested, not done yet: is a relay running?',
  'not-parked': 'no longer parked',
} as const satisfies Record<NonNullable<KeyRelease['outcome']>, string>;
