/** `outbox-relay status`: what the relays of a slot are doing, with a verdict. */
import { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { printableText } from '../observe/printable.ts';
import { statusOnceStreaming, watchStatus } from '../operations/status.ts';
import { concerns } from '../operations/status-concerns.ts';
import { verdicts } from '../operations/verdicts.ts';
import { seconds, wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { describeStatus } from './describe-status.ts';
import type { Load } from './load.ts';

type StatusOptions = { json?: boolean; watch?: number | true; waitSeconds: number };

const table = (rows: readonly (readonly [string, string])[]) =>
  rows.map(([name, meaning]) => `  ${name.padEnd(14)} ${meaning}`).join('\n');

const verdictTable = table(
  Object.entries(verdicts).map(([name, [isGood, meaning]]) => [name, `${meaning}${isGood ? ' (good)' : ''}`]),
);

const help = `
Changes nothing and reads only Postgres. The environment variable DATABASE_URL overrides database.url in the file.

The first line is the verdict: what the relay does, and what to do about it. Lines with "!" are what else somebody has to
look at. Each relay of the slot announces itself in outbox.relay every 3 seconds; one that is not seen for 9 seconds is gone.
Rate, delay and last error are those that it announced. The progress is a copy (outbox.progress) that can lag by a few
seconds; the progress itself is a record in the Kafka topic kafka.progressTopic. What cannot be known is called unknown.

Verdicts (.verdict.name):
${verdictTable}

Concerns (.verdict.concerns[].name):
${table(Object.entries(concerns))}

Exit codes: 0 the verdict is good, and there is no concern · 1 somebody has to look at it · 64 invalid arguments or
configuration · 69 Postgres is unreachable · 77 Postgres denies access

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
    .addHelpText('after', help);
  return define<StatusOptions>(command, load, { needs: ['database'], validate, run });
}

const watchSeconds = 2;

/** Lines wrap at the width of a terminal, and not at all where another program reads them. */
const widthNow = () => (process.stdout.isTTY === true ? process.stdout.columns : undefined);

const validate = ({ watch, waitSeconds }: StatusOptions) =>
  watch !== undefined && waitSeconds > 0 ? '--watch and --wait-seconds exclude each other' : undefined;

async function run({ config, options: { json, watch, waitSeconds }, print }: Call<StatusOptions>) {
  if (watch === undefined) {
    const status = await statusOnceStreaming(config, waitSeconds * 1_000);
    return {
      data: status,
      text: describeStatus(status, widthNow()),
      hasFindings: !status.verdict.isGood,
    };
  }
  const isLive = json !== true && process.stdout.isTTY === true;
  const update = isLive ? createLogUpdate(process.stdout) : undefined;
  for await (const status of watchStatus(config, (watch === true ? watchSeconds : watch) * 1_000)) {
    const text = json === true ? JSON.stringify(status) : describeStatus(status, widthNow());
    if (update === undefined) print(text);
    else update(printableText(text));
  }
  return {};
}
