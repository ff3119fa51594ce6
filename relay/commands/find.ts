/** `outbox-relay find`: where an event is, and its story. */
import { Command } from 'commander';
import { createLogger } from '../observe/log.ts';
import { parseCursor } from '../operations/find-event/cursor.ts';
import { findEvents, recordsMaxDefault } from '../operations/find-event/find-event.ts';
import { type FindStep, isNowhere, type Wanted } from '../operations/find-event/found.ts';
import { collect, timeOrAge, wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeFound } from './describe-found.ts';
import { count, counted } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine } from './progress-line.ts';

type FindCommandOptions = {
  key?: string;
  type?: string;
  since?: Date;
  until?: Date;
  after?: string;
  topic?: string[];
  limit: number;
  records: number;
  json?: boolean;
};

const help = `
Looks for an event in the outbox table, in outbox.dead_letter and in Kafka, and says where it is: published (topic, partition,
offset, schema), a dead letter, parked behind one, or not yet published, and why. Below stands its story, oldest first.

Changes nothing. Reads the outbox table, which has no index of its own: on a large one a search takes some seconds; --since and
--until limit it to partitions of that time. Of Kafka it reads the partition of the key, under read_committed, from the time
of the row on, at most --records records. An event without row and dead letter is looked for at the ends of the first 20
topics of topics.allow, or from --since on; --topic looks in others. It joins no consumer group. It shows no payload.

Give the event, --key or --type: one excludes the others. By --key and --type it shows --limit events at a time, and says
where the next ones begin. What was not read is said: "not found" names the records that were read, and never means that
the event does not exist.

A part that could not be read is named with the reason, and the rest is shown. The exit code is then that of the reason,
whether or not something was found, so that 1 never stands for what nobody could see.

Exit codes: 0 found · 1 nothing found, and every part was read; or an event that the relay should have published was not found
in the records that were read · 64 invalid arguments or configuration · 69 a server is unreachable · 77 access denied ·
78 a server is not as the relay needs it, as a database that does not exist

Examples:
  $ outbox-relay find 6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10
  $ outbox-relay find 000000000172f1a8.00000000
  $ outbox-relay find --key order-4711 --since 2h
  $ outbox-relay find --type app.order.OrderPlaced --since 2026-01-31T12:00:00Z --until 2026-01-31T12:05:00Z
  $ outbox-relay find 6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10 --json | jq -r '.events[].state'`;

export function findCommand(load: Load): Command {
  const command = new Command('find')
    .description('Finds an event: its row, its dead letter or its record, where it is now, and its story.')
    .summary('find an event: in the table, among dead letters, in Kafka')
    .argument('[event]', 'id of the event, or its position')
    .option('--key <key>', 'the events of this key (aggregateid), the latest first')
    .option('--type <type>', 'the events of this type, the latest first')
    .option('--since <time>', 'written at this time or later: a time, or an age such as 2h', timeOrAge)
    .option('--until <time>', 'written before this time', timeOrAge)
    .option(
      '--after <place>',
      'with --key or --type: the next events, from the place that the last page named',
    )
    .option('--topic <topic>', 'look here if nothing says in which topic it is; may be repeated', collect)
    .option('--limit <number>', 'events to show at most', wholeNumber(1, 1_000), 20)
    .option(
      '--records <number>',
      'records of Kafka to read at most',
      wholeNumber(1, 100_000_000),
      recordsMaxDefault,
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<FindCommandOptions>(command, load, { validate, run });
}

function validate({ key, type, after }: FindCommandOptions, args: readonly string[]): string | undefined {
  const given = [args[0], key, type].filter((each) => each !== undefined);
  if (given.length !== 1) return 'give the id or the position of an event, or --key, or --type';
  if (after === undefined) return undefined;
  if (args[0] !== undefined) return '--after is for --key and --type';
  return parseCursor(after) === undefined ? '--after is not a place that an earlier page named' : undefined;
}

function wantedOf({ key, type, since, until, topic }: FindCommandOptions, name: string | undefined): Wanted {
  const times = { since: since ?? null, until: until ?? null, topics: topic ?? null };
  if (key !== undefined) return { by: { kind: 'key', key }, ...times };
  if (type !== undefined) return { by: { kind: 'type', type }, ...times };
  const isPosition = /^[0-9a-f]{16}\.[0-9a-f]{8}$/.test(name!);
  return { by: isPosition ? { kind: 'position', position: name! } : { kind: 'id', id: name! }, ...times };
}

async function run({ config, options, args }: Call<FindCommandOptions>) {
  const progress = new ProgressLine<FindStep>(describeStep);
  try {
    const found = await findEvents({
      config,
      log: createLogger('fatal'),
      wanted: wantedOf(options, args[0]),
      limit: options.limit,
      after: options.after === undefined ? null : parseCursor(options.after)!,
      recordsMax: options.records,
      onStep: (step) => progress.show(step, step.stage),
    });
    return {
      data: found,
      text: describeFound(found),
      hasFindings: found.events.length === 0 || found.events.some(isNowhere),
      unread: Object.values(found.missing).flatMap((each) => each?.code ?? []),
    };
  } finally {
    progress.end();
  }
}

function describeStep({ stage, topic, partition, records, recordsMax }: FindStep): string {
  if (stage === 'rows') return 'reading the outbox table';
  if (stage === 'letters') return 'reading the dead letters';
  return `reading ${topic}, partition ${partition}: ${counted(records ?? 0, 'record')}, at most ${count(recordsMax ?? 0)}`;
}
