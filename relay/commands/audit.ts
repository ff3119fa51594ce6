/** `outbox-relay audit`: the standing audit. */
import { Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { componentLogs } from '../observe/component-logs.ts';
import { createLogger } from '../observe/log.ts';
import {
  type AskedStart,
  type AuditRow,
  auditContinuously,
  auditOfDebezium,
  auditOnce,
  auditReport,
  hasComparedNothing,
  hasFindings,
  unproven,
} from '../operations/audit.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { wholeNumber } from './arguments.ts';
import { type Call, type CommandResult, define } from './command.ts';
import { describeDebezium, describeStanding } from './describe-standing-audit.ts';
import { counted } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine } from './progress-line.ts';
import { oneShot, serve, untilSignalled } from './until-signalled.ts';

type AuditCommandOptions = ActorOptions & {
  once?: boolean;
  report?: boolean;
  json?: boolean;
  start?: AskedStart['from'];
  everyMinutes?: number;
  waitSeconds: number;
  source: 'relay' | 'debezium';
};

const help = `
Compares the outbox table with the topics, window after window: from where the last run ended to the present progress. It
runs beside the relay until SIGTERM or SIGINT, remembers in outbox.audit how far it came, and serves its findings as
metrics on http.host and audit.httpPort. A relay with audit.everyMinutes runs the same audit by itself; do not run both.

Findings, stored in outbox.audit_finding with id and position, never with a value:
  missing        a row that the progress covers, but neither in Kafka nor a dead letter. It counts until it is published
  duplicate      a second record of an event, however long after the first
  leaked         a record without a row: from a rolled-back transaction or another database
  out of order   a record whose position is not above those before it in its partition
  undecodable    a header is missing, the schema is unknown or not Avro, or the bytes do not fit it

The first run begins with the first row. --start sets the findings to 0, and who did that and why is in outbox.trail:
  here    goes on from where the audit is, and leaves nothing out. Missing events still count, until they are published
  first   compares every row of the table once more
  now     leaves out what is committed now, for good. With cleanup.requireVerified these rows stay, but for those that the
          audit had compared already, if it misses nothing

It writes outbox.audit, outbox.audit_finding and, with --start, outbox.trail, and nothing else. It joins no consumer group.
Each run scans the outbox table on the server and reads what is new in the topics, at most audit.maxPerSecond rows and
records per second. \`verify\` also compares every record with its row, once.

With --source debezium it audits an outbox that Debezium's event router publishes: it only reads, and needs no migration.
A value that cannot be decoded is a finding if the record has a row, or its producer wrote one that has; otherwise it counts
as another producer's.
Set slot.name to the slot of the connector, outbox.table and outbox.columns, topics.allow and topics.template. Records are
matched with rows by the header id; values may be JSON or Avro. It waits until the slot has confirmed the snapshot. It
cannot check the order of a key, since the records have no position.

Exit codes: 0 no findings, or --once --start now has begun · 1 findings; none of the events could be compared; --once verified
nothing or was interrupted; nothing is verified yet that --report could show · 64 invalid arguments or configuration · 69 a server is unreachable · 77 access
denied · 78 the audit stopped itself; the message says what to do

Examples:
  $ outbox-relay audit
  $ outbox-relay audit --once
  $ outbox-relay audit --once --start here --reason 'consumers know of the findings of 14 May'
  $ OUTBOX_RELAY_SLOT=debezium outbox-relay audit --once --source debezium
  $ outbox-relay audit --report --json >> audit.jsonl     # for the record; reads Postgres only`;

export function auditCommand(load: Load): Command {
  const command = new Command('audit')
    .description('standing audit: compare table and topics, window after window')
    .option('--once', 'verify up to the present progress, print the report and end')
    .option('--report', 'print what earlier runs know, and end')
    .option('--json', 'with --once or --report: print one JSON object')
    .addOption(
      new Option(
        '--start <where>',
        'forget findings and start where the audit is, with the first row, or with what is committed from now on',
      ).choices(['here', 'first', 'now']),
    )
    .option(
      '--every-minutes <number>',
      'pause between two runs (default: audit.everyMinutes, or 5)',
      wholeNumber(1, 1_440),
    )
    .option('--wait-seconds <number>', 'how long to wait for the progress', wholeNumber(0, 9_999_999), 60)
    .addOption(
      new Option('--source <publisher>', 'what publishes the outbox; debezium: its event router, with --once')
        .choices(['relay', 'debezium'])
        .default('relay'),
    )
    .addHelpText('after', helpText(help));
  const why = 'with --start: why; recorded in the audit trail';
  return define<AuditCommandOptions>(withActor(command, why), load, { validate, run });
}

function validate({
  once,
  report,
  json,
  start,
  everyMinutes,
  source,
  reason,
}: AuditCommandOptions): string | undefined {
  if (once && report) return '--once and --report exclude each other';
  if (source === 'debezium' && (!once || start !== undefined))
    return '--source debezium needs --once, and keeps nothing to --start from';
  if (json && !once && !report) return '--json needs --once or --report';
  if (report && start !== undefined) return '--start and --report exclude each other';
  if (reason !== undefined && start === undefined) return '--reason is for --start';
  if ((once || report) && everyMinutes !== undefined)
    return '--every-minutes is for an audit that keeps running';
  return undefined;
}

async function run(call: Call<AuditCommandOptions>): Promise<CommandResult> {
  const { config, options } = call;
  if (options.report) return describe(config);
  const start = startOf(options);
  const common = { config, start, waitMs: options.waitSeconds * 1_000 };
  if (!options.once) {
    const log = componentLogs(createLogger(config.log.level), config.log).audit;
    const everyMs = 60_000 * (options.everyMinutes ?? (config.audit.everyMinutes || 5));
    log.info(
      { everyMinutes: everyMs / 60_000 },
      'audits until SIGTERM or Ctrl-C; --once audits one time and ends',
    );
    // A window that is under way is verified again by the next run.
    const audit = (signal: AbortSignal) => auditContinuously({ ...common, signal, log, everyMs });
    await serve({ log, name: 'the audit' }, audit);
    return {};
  }
  const line = new ProgressLine<{ events: number; records: number }>(
    ({ events, records }) => `comparing: ${counted(events, 'row')}, ${counted(records, 'record')}`,
  );
  const log = componentLogs(
    createLogger(config.log.level, { destination: process.stderr }),
    config.log,
  ).audit;
  const onDone = (events: number, records: number) => line.show({ events, records });
  if (options.source === 'debezium') {
    const report = await auditOfDebezium({ config, log, waitMs: common.waitMs, onDone }).finally(() =>
      line.end(),
    );
    return { data: report, text: describeDebezium(report).join('\n'), hasFindings: !report.ok };
  }
  let hasStarted = false;
  const onStarted = () => {
    hasStarted = true;
  };
  const { row, isInterrupted } = await untilSignalled(oneShot, async (signal) => {
    const row = await auditOnce({ ...common, onStarted, signal, log, closes: true, onDone });
    return { row, isInterrupted: signal.aborted };
  }).finally(() => line.end());
  const result = await describe(config);
  // To begin now is all that was asked for: what is to be verified is committed later.
  const isVerified = !isInterrupted && row.heldBack === null && row.verifiedAt !== null;
  const isDone = isVerified || (start?.from === 'now' && hasStarted);
  return { ...result, hasFindings: isFailure(row) || !isDone };
}

function startOf({ start, by, reason }: AuditCommandOptions): AskedStart | undefined {
  return start === undefined ? undefined : { from: start, person: by, reason: reason ?? null };
}

async function describe(config: Config): Promise<CommandResult> {
  const report = await auditReport(config);
  if (report === undefined) return { data: null, text: 'no audit has run so far', hasFindings: true };
  const { audit } = report;
  return {
    data: report,
    text: describeStanding(report).join('\n'),
    hasFindings: isFailure(audit) || audit.verifiedAt === null,
  };
}

/** What it found is wrong, or it could not see whether anything is. */
const isFailure = (audit: AuditRow): boolean =>
  hasFindings(audit) || unproven(audit) > 0 || hasComparedNothing(audit);
