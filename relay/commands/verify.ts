/** `outbox-relay verify`: the audit. */
import { Command, InvalidArgumentError } from 'commander';
import { createLogUpdate } from 'log-update';
import pino from 'pino';
import { type AuditProgress, audit } from '../audit/audit.ts';
import { createKafka } from '../connect/kafka.ts';
import { exitCodes } from '../errors.ts';
import { describeProgress, describeReport } from './describe-audit.ts';
import type { Load } from './load.ts';

type VerifyOptions = {
  json?: boolean;
  maxIds: number;
  waitSeconds: number;
  expectAll?: boolean;
  content: boolean;
};

const help = `
Compares a snapshot of the outbox table with what read_committed consumers see in the topics of topics.allow. It only
reads, and may run beside a working relay: it waits until the progress has reached the snapshot, reads the topics up to
their ends as of then, and leaves newer events alone. It is in no consumer group.

Each record is compared with its row: key, type, headers, and the value, decoded by the schema whose id it names and held
against the row's JSON by a reader that shares nothing with the relay's encoder. A difference is told by its place, never
by a value.

Findings (exit code 1):
  missing             in the table, covered by the progress, neither in Kafka nor a dead letter
  duplicate           one event more than once in Kafka, by its position, or more records than rows
  leaked              in Kafka, neither in the table nor a dead letter: of a rolled-back transaction or another database
  out of order        a position that does not rise along the offsets of a key
  undecodable         the relay wrote it without a header, the schema is unknown or not Avro, or the bytes do not fit it
  different from its row
  repeated id         several rows with one id: consumers that go by ids drop all but one
  dead letter, yet published

Not judged (no findings):
  not yet published       absent from Kafka, but the progress did not reach the snapshot in time; with a relay that
                          does not run these are the events it has left
  newer than the snapshot
  older than the table    in Kafka only, from before the oldest row left
  older than the topics   in the table only, from before the oldest record left
  compacted away          in the table only, in a compacted topic, and a later event of the key is there
  from before the first start
  of other producers      records without the relay's headers that its producer did not write, or of another slot's relay
  removed while comparing the row was deleted between the snapshot and its record

An application that deletes its own rows leaves events that look leaked; one that changes rows after it inserted them, or
that purges the dead letters of corrected events, leaves records that differ from them. A topic that may not be seen is
an error where rows route to it or topics.allow names it; one that only a pattern would match is not missed. Where the
table has no events the report says "nothing judged", not "ok".

Memory: some 90 bytes for each distinct event and 130 for each distinct key, besides the driver's buffers. It holds up to
16 million events. --no-content reads the rows once instead of twice, and decodes without comparing: 14 µs of CPU an
event where it is 25 with the comparison (40,000 small events, Node 24).

Exit codes: 0 no findings, 1 findings, others as for every command (a server does not answer: 69).

Examples:
  $ outbox-relay verify
  $ outbox-relay verify --json | jq .findings.missing
  $ outbox-relay verify --wait-seconds 0        # the relay is stopped: what is left?`;

export function verifyCommand(load: Load): Command {
  return new Command('verify')
    .description('audit: compare the outbox table with the topics')
    .option('--json', 'print the whole report as one JSON object')
    .option('--max-ids <number>', 'most ids kept of each kind; without --json, 20 are shown', integer, 10_000)
    .option('--wait-seconds <number>', 'how long the progress may take to reach the snapshot', integer, 30)
    .option(
      '--expect-all',
      'nothing was ever removed: older than the table is leaked, than the topics missing',
    )
    .option('--no-content', 'look at ids, positions and schemas only, and compare no record with its row')
    .addHelpText('after', help)
    .action(async (options: VerifyOptions, command: Command) => {
      const { config } = load(command);
      const indicator = progressIndicator(process.stderr);
      const report = await audit({
        config,
        kafka: createKafka(config, pino({ level: config.log.level }, pino.destination(2))),
        waitMs: options.waitSeconds * 1_000,
        maxIds: options.maxIds,
        expectAll: options.expectAll === true,
        comparesContent: options.content,
        onProgress: indicator.show,
      }).finally(indicator.end);
      const lines = options.json ? [JSON.stringify(report)] : describeReport(report);
      command.configureOutput().writeOut?.(`${lines.join('\n')}\n`);
      if (!report.ok) process.exitCode = exitCodes.findings;
    });
}

function integer(value: string): number {
  if (!/^\d{1,7}$/.test(value)) throw new InvalidArgumentError('expected a whole number from 0 to 9999999.');
  return Number(value);
}

/** How often a terminal is redrawn. */
const redrawMs = 100;

/** One line that moves on a terminal; elsewhere a plain line for each stage. */
function progressIndicator(stream: NodeJS.WriteStream) {
  if (!stream.isTTY) {
    let stage: string | undefined;
    return {
      show: (progress: AuditProgress) => {
        if (progress.stage !== stage) stream.write(`${stageLine(progress)}\n`);
        stage = progress.stage;
      },
      end: () => {},
    };
  }
  const update = createLogUpdate(stream);
  let drawnMs = Number.NEGATIVE_INFINITY;
  return {
    show: (progress: AuditProgress) => {
      if (performance.now() - drawnMs < redrawMs && progress.stage !== 'progress') return;
      drawnMs = performance.now();
      update(describeProgress(progress));
    },
    end: () => update.clear(),
  };
}

function stageLine({ stage }: AuditProgress): string {
  return stage === 'progress' ? 'waiting for the progress to reach the snapshot' : `reading the ${stage}`;
}
