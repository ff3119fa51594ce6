/** `outbox-relay status`: what the relays of a slot are doing, with a verdict. */
import { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import type { RelayError } from '../errors.ts';
import { printableText } from '../observe/printable.ts';
import { type Status, statusOnceStreaming, watchStatus } from '../operations/status.ts';
import { concerns } from '../operations/status-concerns.ts';
import { verdicts } from '../operations/verdicts.ts';
import { seconds, wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeStatus } from './describe-status.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type StatusOptions = { json?: boolean; watch?: number | true; waitSeconds: number };

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`).join('\n');
}

const verdictTable = table(
  Object.entries(verdicts).map(([name, [isGood, meaning]]) => [name, `${meaning}${isGood ? ' (good)' : ''}`]),
);

const help = `
Changes nothing and reads only Postgres. The environment variable DATABASE_URL overrides database.url in the file.

The first line is the verdict: what the relay does, and what to do about it. Lines with "!" are what else somebody has to
look at. Each relay of the slot announces itself in outbox.relay every 3 seconds, and at once when its state changes; one
that is not seen for 9 seconds is gone. Rate, delay and last error are those that it announced. The progress is a copy
(outbox.progress) that can lag by a few seconds; the progress itself is a record in the Kafka topic kafka.progressTopic.
What cannot be known is called unknown.

Verdicts (.verdict.name):
${verdictTable}

Concerns (.verdict.concerns[].name):
${table(Object.entries(concerns))}

A fault of the configuration does not keep it from showing what the relays do: it names the fault (.configFault), shows the
default of what the faulty setting would be, and ends with 1. It needs what says which outbox is meant: slot, database.* and
outbox.table. If that has a fault, or the file cannot be read and the environment does not say it, it ends with 64.

Exit codes: 0 the verdict is good, and there is no concern · 1 somebody has to look at it · 64 invalid arguments, or it is
not known which outbox is meant · 69 Postgres is unreachable · 77 Postgres denies access · 78 Postgres has no such database,
or no tables of the relay

Examples:
  $ outbox-relay status
  $ outbox-relay status --watch
  $ outbox-relay status --wait-seconds 300      # after the start of a relay: returns once it streams
  $ outbox-relay status --json | jq -r .verdict.text`;

export function statusCommand(load: Load): Command {
  const command = new Command('status')
    .description('Shows what every relay of the slot is doing, and whether somebody has to look at it.')
    .summary('show what the relays are doing: a verdict, slot, lag, pauses, dead letters')
    .option('--json', 'print one JSON object; with --watch, one on each line')
    .option('-w, --watch [seconds]', 'repeat at this interval (default: 2) until Ctrl-C', seconds(0.1, 3600))
    .option(
      '--wait-seconds <number>',
      'how long to wait until a relay streams, also for Postgres and the tables',
      wholeNumber(0, 9_999_999),
      0,
    )
    .addHelpText('after', helpText(help));
  return define<StatusOptions>(command, load, { needs: ['database'], despiteFaults: true, validate, run });
}

const watchSeconds = 2;

/** Lines wrap at the width of a terminal, and not at all where another program reads them. */
const widthNow = () => (process.stdout.isTTY === true ? process.stdout.columns : undefined);

const faultOf = (fault: RelayError | undefined) =>
  fault === undefined ? null : { code: fault.code, message: fault.message, hint: fault.hint };

const validate = ({ watch, waitSeconds }: StatusOptions) =>
  watch !== undefined && waitSeconds > 0 ? '--watch and --wait-seconds exclude each other' : undefined;

async function run({ config, fault, options, print }: Call<StatusOptions>) {
  const { json, watch, waitSeconds } = options;
  const dataOf = (status: Status) => ({ ...status, configFault: faultOf(fault) });
  if (watch === undefined) {
    const status = await statusOnceStreaming(config, waitSeconds * 1_000);
    return {
      data: dataOf(status),
      text: describeStatus(status, widthNow(), fault),
      hasFindings: !status.verdict.isGood || fault !== undefined,
    };
  }
  const isLive = json !== true && process.stdout.isTTY === true;
  const update = isLive ? createLogUpdate(process.stdout) : undefined;
  for await (const status of watchStatus(config, (watch === true ? watchSeconds : watch) * 1_000)) {
    const text = json === true ? JSON.stringify(dataOf(status)) : describeStatus(status, widthNow(), fault);
    if (update === undefined) print(text);
    else update(printableText(text));
  }
  return {};
}
