/** `outbox-relay check`: one line for each precondition of `run`, and how to fix it where it is not met. */
import { styleText } from 'node:util';
import { Command } from 'commander';
import { check } from '../operations/check/check.ts';
import type { CheckReport, Finding, Verdict } from '../operations/check/finding.ts';
import { seconds } from './arguments.ts';
import { type Call, define } from './command.ts';
import { counted } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type CheckOptions = { json?: boolean; timeout: number };

const help = `
Changes nothing. It creates no slot and no topic, and the Kafka transaction that it opens stays empty. That transaction
has an id of its own (<kafka.transactionalIdPrefix>.<slot>.check), so it does not disturb a running relay.

Run it with the settings and the database role of the relay. It cannot see topics that its Kafka principal may not
describe.

A server that refuses the sign-in, or does not answer, is a failed check like any other: the others are made all the same,
and the exit code is 1.

Exit codes: 0 no check failed; there may be warnings (!) · 1 a check failed, for whatever reason · 64 invalid arguments or
configuration

Examples:
  $ outbox-relay check
  $ outbox-relay check --json | jq '.checks[] | select(.status == "fail")'`;

export function checkCommand(load: Load): Command {
  const command = new Command('check')
    .description('check everything that `run` needs in Postgres, Kafka and the schema registry')
    .option('--json', 'print one JSON object {ok, checks: [{server, name, status, message, fix}]}')
    .option('--timeout <seconds>', 'time limit for each check', seconds(0.1, 600), 10)
    .addHelpText('after', helpText(help));
  return define<CheckOptions>(command, load, { run });
}

async function run({ config, options, print }: Call<CheckOptions>) {
  const checks: Finding[] = [];
  for await (const finding of check(config, options.timeout * 1000)) {
    checks.push(finding);
    if (!options.json) print(describeFinding(finding));
  }
  const ok = checks.every(({ status }) => status !== 'fail');
  const report: CheckReport = { ok, checks };
  return { data: report, text: summary(checks), hasFindings: !ok };
}

const marks: Readonly<Record<Verdict['status'], string>> = {
  ok: styleText('green', '✔'),
  warn: styleText('yellow', '!'),
  fail: styleText('red', '✖'),
  skipped: '-',
};

function describeFinding({ server, name, status, message, fix }: Finding): string {
  const line = `${marks[status]} ${server.padEnd(8)}  ${name}: ${message.replace(/\n/g, '\n    ')}`;
  return fix === undefined ? line : `${line}\n    → ${fix}`;
}

function summary(findings: readonly Finding[]): string {
  const number = (status: Verdict['status']) =>
    findings.filter((finding) => finding.status === status).length;
  const skipped = number('skipped') > 0 ? `, ${number('skipped')} skipped` : '';
  return `${number('ok')} passed, ${counted(number('warn'), 'warning')}, ${number('fail')} failed${skipped}`;
}
