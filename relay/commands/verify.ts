/** `outbox-relay verify`: the audit. */
import { Command } from 'commander';
import { componentLogs } from '../observe/component-logs.ts';
import { createLogger } from '../observe/log.ts';
import { type AuditStage, verify } from '../operations/verify.ts';
import { wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeReport, describeStage } from './describe-audit.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine, unlessNothing } from './progress-line.ts';

type VerifyOptions = {
  json?: boolean;
  maxIds: number;
  waitSeconds?: number;
  expectAll?: boolean;
  content: boolean;
};

const help = `
Changes nothing and joins no consumer group, so it may run while the relay runs. It takes a snapshot of the outbox
table, reads the topics of topics.allow to their ends as a read_committed consumer sees them, and compares the two. It
leaves out events that were written after the snapshot. If the progress does not cover every event yet, it waits until the
progress has reached the snapshot, and reads what has come: on an idle system with the next heartbeat.

Each record is compared with its row: key, type, headers and value. Two decoders that share no code with the relay's
encoder read the value with the schema that the record names; one is the library that consumers in Node.js use. A value
in JSON must be the text of the payload, to the byte. The report says where a record differs, and never shows a value.
A record whose value has another form, or whose headers have other names, than records.format and records.headers say now
is compared all the same, and counted as "of other settings".

Findings (exit code 1):
  missing                       in the table and covered by the progress, but neither in Kafka nor a dead letter
  duplicate                     more than once in Kafka by its position, or more records than rows
  leaked                        in Kafka, but neither in the table nor a dead letter: from a rolled-back transaction or
                                another database
  out of order                  the positions of a key do not rise with the offsets
  undecodable                   a header is missing, the schema is unknown or not Avro, the bytes do not fit it, or the
                                value is neither Avro nor JSON
  different from its row
  repeated id                   several rows have the same id; consumers that deduplicate by id drop all but one
  dead letter, but published

A record that replay wrote is no duplicate and makes up for none that is missing. It must name a replay of outbox.replay,
equal its row, and occur once within the replay.

Not judged, and never a success (exit code 1):
  missing, or removed           only in the table; a partition of its topic has lost its beginning, and retention.ms does
                                not explain that, or the settings of the topic may not be read
  leaked, or not shown yet      only in Kafka, while transactions run that may show its row: a commit that waits for a
                                synchronous standby is published before that. The command waits for their ends, for
                                --wait-seconds at most
  leaked, or cleaned up         only in Kafka, and committed before cleanup last removed rows. Cleanup goes by created_at: it
                                also removes a row that was committed lately and says that it is old. The standing audit
                                sees each row before that, with cleanup.requireVerified
  not yet published             while Kafka has no progress of this slot: no relay has published anything under its name. Or
                                the progress is of another Postgres cluster, whatever was found

Not judged (no findings):
  not yet published             not in Kafka, but the progress has not reached the snapshot. If no relay runs, these are
                                the events it still has to publish
  newer than the snapshot
  older than the table          only in Kafka, and older than the oldest row that is left, or than what cleanup removed
  older than the topics         only in the table, older than the oldest record that is left, and than retention.ms of the
                                topic, or of any age in a topic that is limited in bytes
  removed by compaction         only in the table; the topic is compacted and holds a later event of the key
  before the first start        committed before a relay first started on the slot, by the number of its transaction
  perhaps before it             no snapshot of the relay tells, and created_at is before the first start
  from other producers          not written by this relay: no relay headers, or the relay of another database, or that of
                                another slot of this one if the table has no row for it in that topic, or a value that
                                cannot be decoded and was written without a transaction. Whose a record is comes before
                                what it holds. The report names the topics, and where the first of each is
  deleted during the audit      the row was deleted after the snapshot was taken

If an application deletes its own rows, their events look leaked. If it changes rows after the insert, or if dead
letters of corrected events were purged, records differ from their rows. If the command may not read a topic, that is an
error if rows route to the topic or topics.allow names it in full. It does not notice such a topic if only a pattern
matches it.

Memory: about 90 bytes for each event and 130 for each key; at most 16 million events. --no-content reads the rows once
instead of twice and skips the comparison. It takes 14 µs of CPU for each event instead of 25 (small events, Node 24).

Exit codes: 0 no findings · 1 findings, perhaps missing or leaked, no event found, or no progress of this slot and database ·
64 invalid arguments or configuration · 69 a server is unreachable · 77 access denied

Examples:
  $ outbox-relay verify
  $ outbox-relay verify --json | jq .findings.missing
  $ outbox-relay verify --wait-seconds 0        # the relay is stopped: what is left to publish?`;

export function verifyCommand(load: Load): Command {
  const command = new Command('verify')
    .description('audit: compare the outbox table with the topics')
    .option('--json', 'print the whole report as one JSON object')
    .option(
      '--max-ids <number>',
      'how many ids to keep of each kind; the text shows 20',
      wholeNumber(0, 9_999_999),
      10_000,
    )
    .option(
      '--wait-seconds <number>',
      'how long to wait for the progress, and for transactions that run (default: three heartbeats, capture.heartbeatMs, and at least 30 s)',
      wholeNumber(0, 9_999_999),
    )
    .option(
      '--expect-all',
      'nothing was ever removed: count "older than the table" as leaked, "older than the topics" as missing',
    )
    .option('--no-content', 'check ids, positions and schemas only; do not compare records with rows')
    .addHelpText('after', helpText(help));
  return define<VerifyOptions>(command, load, { run });
}

async function run({ config, options }: Call<VerifyOptions>) {
  const line = new ProgressLine<AuditStage>(unlessNothing(describeStage));
  const report = await verify({
    config,
    log: componentLogs(createLogger(config.log.level, { destination: process.stderr }), config.log).audit,
    ...(options.waitSeconds === undefined ? {} : { waitMs: options.waitSeconds * 1_000 }),
    maxIds: options.maxIds,
    expectAll: options.expectAll === true,
    comparesContent: options.content,
    onStage: (stage) => line.show(stage, stage.stage),
  }).finally(() => line.end());
  return { data: report, text: describeReport(report).join('\n'), hasFindings: !report.ok };
}
