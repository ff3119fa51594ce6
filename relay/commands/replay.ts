/** `outbox-relay replay`: publishes events of the outbox table again. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { formatPosition, parseLsn, parsePosition } from '../model/position.ts';
import { createLogger } from '../observe/log.ts';
import {
  absentOf,
  isUnbounded,
  listReplays,
  type Range,
  type ReplayOptions,
  type ReplayStage,
  rangeOf,
  replay,
  resume,
  showReplay,
} from '../operations/replay.ts';
import { type ActorOptions, withActor, yesWith } from './actor.ts';
import { collect, timeOrAge, wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeReplays, describeResult, describeShown, describeStage } from './describe-replay.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine, unlessNothing } from './progress-line.ts';
import { oneShot, untilSignalled } from './until-signalled.ts';

type Options = ActorOptions & {
  from?: Date;
  until?: Date;
  fromPosition?: string;
  untilPosition?: string;
  key?: string[];
  type?: string[];
  aggregatetype?: string[];
  id?: string[];
  deadLetters?: boolean;
  all?: boolean;
  beforeFirstStart?: boolean;
  includeUnknown?: boolean;
  toTopic?: string;
  byWritingOrder?: boolean;
  intoCompacted?: boolean;
  refused: 'stop' | 'skip';
  maxEventsPerSecond?: number;
  resume?: string;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
};

const help = `
Publishes events again that the relay has published before: from the outbox table, in the order of their commits, each
exactly once within a replay. The relay goes on streaming meanwhile. To their own topics, consumers see these events
after newer ones of the same key: that is what a replay is, so it needs --reason and --yes. Consumers tell a replayed
record by its headers: replay-id names the replay, replayed-at is its time, and there is no header position. Everything
else is as the stream writes it today, with the schema of today.

--before-first-start publishes what was committed before the slot was first created, once. These records carry
backfill-id in place of replay-id, because they are no repetition.

Left out: events that the relay has not published yet, dead letters that nobody published (use \`dead-letters resubmit\`
or \`release\`). The output counts them. An event that cannot be published today, for example because its schema
changed, stops the replay (--refused skip records it and goes on).

Rows that are gone from the table cannot be published. With --id and positions the output counts them. For any other range
it tells how many rows cleanup has removed that the range may have named; --from leaves those out. What an application
deletes is not known. If anything of the range is gone, the exit code is 1, also once everything else is published.

A replay that stops, or dies, continues with --resume <id>: nothing is lost, nothing comes twice. If two processes work on
one replay, Kafka refuses the earlier one.

Writes: the topics, the topic <kafka.progressTopic>-replay, and outbox.replay; outbox.action is the audit trail. Reads the whole outbox
table; Postgres sorts the range in temporary files of some 500 bytes for each event.

Exit codes: 0 done (with --dry-run: shown) · 1 stopped, nothing in the range, something of it is gone from the table, or a
person has to decide first · 64 invalid arguments · 69 a server is unreachable, or another process continues this replay · 77 access denied · 78 it cannot be
continued, or the progress belongs to another database

Examples:
  $ outbox-relay replay --from 2026-01-31T08:00:00Z --until 2026-01-31T09:00:00Z --dry-run
  $ outbox-relay replay --key 42 --key 43 --reason OPS-17 --yes
  $ outbox-relay replay --type app.order.OrderPlaced --from 7d --to-topic orders-rebuilt --yes
  $ outbox-relay replay --before-first-start --reason 'first load' --yes
  $ outbox-relay replay --resume 20260131-1f3a9c07
  $ outbox-relay replay list`;

export function replayCommand(load: Load): Command {
  const command = new Command('replay')
    .summary('publish events of the outbox table again')
    .description(
      'Publishes events of the outbox table again, to their topics or to another one, exactly once.',
    )
    .option('--from <time>', 'committed at or after this time: ISO 8601, or an age such as 2h, 7d', timeOrAge)
    .option('--until <time>', 'committed before this time', timeOrAge)
    .option('--from-position <position>', 'at or after this position: as in the header, or an LSN', position)
    .option('--until-position <position>', 'before this position', position)
    .option('--key <aggregateid>', 'with this key; may be repeated, like the next three', collect)
    .option('--type <type>', 'of this event type', collect)
    .option('--aggregatetype <name>', 'of this aggregatetype', collect)
    .option('--id <id>', 'this event', collect)
    .option('--dead-letters', 'only events that were dead letters and were published since')
    .option('--all', 'every event of the table that was published')
    .option('--before-first-start', 'events committed before the slot was first created, for the first time')
    .option('--include-unknown', 'also events older than what the relay knows to be published')
    .option('--to-topic <topic>', 'publish all of them to this topic, which must exist')
    .option('--by-writing-order', 'sort by created_at if the commit order is unknown')
    .option('--into-compacted', 'also into a compacted topic, which then keeps an old record of each key')
    .addOption(
      new Option('--refused <what>', 'what to do at an event that cannot be published today')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--max-events-per-second <number>', 'go no faster than this', wholeNumber(1, 999_999_999))
    .option('--resume <id>', 'continue a replay that stopped or died')
    .option('--dry-run', 'show what would be published; change nothing')
    .option('--yes', 'do it');
  withActor(command, 'why; required for the events’ own topics')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  command.addCommand(listCommand(load)).addCommand(showCommand(load));
  return define<Options>(command, load, { validate, run });
}

function listCommand(load: Load): Command {
  const command = new Command('list')
    .description('show the replays of the slot, latest first')
    .option('--json', 'print a JSON array');
  return define<object>(command, load, {
    needs: ['database'],
    run: async ({ config }) => {
      const replays = await listReplays(config);
      return { data: replays, text: describeReplays(replays) };
    },
  });
}

/** The table has all of them. */
const refusalsMax = 1_000;

function showCommand(load: Load): Command {
  const command = new Command('show')
    .description('show one replay: its range, its audit trail, and what it could not publish')
    .argument('<id>', 'of the replay')
    .option('--json', 'print one JSON object');
  return define<object>(command, load, {
    needs: ['database'],
    run: async ({ config, args }) => {
      const shown = await showReplay(config, args[0]!, refusalsMax);
      return { data: shown, text: describeShown(shown).join('\n') };
    },
  });
}

/** Options that a replay that continues has from its start. */
const ofTheStart = [
  'from',
  'until',
  'fromPosition',
  'untilPosition',
  'key',
  'type',
  'aggregatetype',
  'id',
  'deadLetters',
  'all',
  'beforeFirstStart',
  'includeUnknown',
  'toTopic',
  'byWritingOrder',
  'intoCompacted',
  'dryRun',
] as const satisfies readonly (keyof Options)[];

function validate(options: Options): string | undefined {
  if (options.resume !== undefined) {
    const given = ofTheStart.find((name) => options[name] !== undefined);
    return given === undefined
      ? undefined
      : '--resume continues a replay as it began: give no range or target';
  }
  const { from, until, all, beforeFirstStart, includeUnknown, yes, dryRun } = options;
  const range = rangeFrom(options);
  if (isUnbounded(range) && all !== true && beforeFirstStart !== true)
    return 'say which events: --from, --until, --key, --type, --id, --dead-letters, positions, or --all';
  if (!isUnbounded(range) && all === true) return '--all and a range exclude each other';
  if (from !== undefined && until !== undefined && from >= until) return '--from must be before --until';
  if (
    beforeFirstStart === true &&
    (range.isOfDeadLetters || range.positions !== null || includeUnknown === true)
  )
    return '--before-first-start takes times, keys, types and ids only: no relay has seen these events';
  if (yes === true && dryRun !== true && needsReason(options))
    return '--reason is missing: consumers will see these events again, after newer ones';
  return undefined;
}

function rangeFrom(options: Options): Range {
  const { from, until, fromPosition, untilPosition, key, type, aggregatetype, id } = options;
  const hasPositions = fromPosition !== undefined || untilPosition !== undefined;
  return rangeOf({
    from: from?.toISOString() ?? null,
    until: until?.toISOString() ?? null,
    positions: hasPositions ? { from: fromPosition ?? null, until: untilPosition ?? null } : null,
    keys: key ?? null,
    types: type ?? null,
    aggregatetypes: aggregatetype ?? null,
    ids: id ?? null,
    isOfDeadLetters: options.deadLetters === true,
    includesUnknown: options.includeUnknown === true,
  });
}

/** What `validate` asks for once it is to be done. */
const needsReason = ({ toTopic, reason }: Options): boolean => toTopic === undefined && !reason;

async function run({ config, options }: Call<Options>) {
  const line = new ProgressLine<ReplayStage>(unlessNothing(describeStage));
  const running = {
    config,
    log: createLogger('fatal'),
    actor: { person: options.by, reason: options.reason ?? null },
    refused: options.refused,
    eventsPerSecond: options.maxEventsPerSecond ?? null,
    onStage: (stage: ReplayStage) => line.show(stage, stage.stage),
  };
  const isPreview = options.yes !== true && options.resume === undefined;
  const isDryRun = options.dryRun === true || isPreview;
  const result = await untilSignalled(oneShot, (signal) =>
    options.resume === undefined
      ? replay({ ...running, ...startOf(options), isDryRun, signal })
      : resume({ ...running, id: options.resume, signal }),
  ).finally(() => line.end());
  const isShown = options.dryRun === true && result.plan?.doubts.length === 0 && result.plan.events > 0;
  const isWhole = absentOf(result) === null && (result.replay?.gone ?? 0) === 0;
  return {
    data: result,
    text: describeResult(
      result,
      isPreview && options.dryRun !== true ? yesWith(needsReason(options)) : undefined,
    ).join('\n'),
    hasFindings: !isWhole || (result.outcome !== 'done' && !isShown),
  };
}

function startOf(
  options: Options,
): Pick<ReplayOptions, 'range' | 'topic' | 'isFirst' | 'acceptsWritingOrder' | 'acceptsCompacted'> {
  return {
    range: rangeFrom(options),
    topic: options.toTopic ?? null,
    isFirst: options.beforeFirstStart === true,
    acceptsWritingOrder: options.byWritingOrder === true,
    acceptsCompacted: options.intoCompacted === true,
  };
}

/** As in the header `position`, or an LSN, which stands for the first position of its transaction. */
function position(value: string): string {
  if (parsePosition(value) !== undefined) return value;
  try {
    return formatPosition(parseLsn(value), 0);
  } catch {
    throw new InvalidArgumentError(
      'Expected a position such as 000000000172f1a8.00000000, or an LSN such as 0/172F1A8.',
    );
  }
}
