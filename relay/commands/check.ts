/** `outbox-relay check`: every precondition of `run`, one line each, with the fix where it is red. */
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { exitCodes } from '../errors.ts';
import { createLogger } from '../observe/log.ts';
import { type Finding, runChecks, type Verdict } from '../operations/check/finding.ts';
import { kafkaChecks } from '../operations/check/kafka.ts';
import { postgresChecks } from '../operations/check/postgres.ts';
import { registryChecks } from '../operations/check/registry.ts';
import type { Load } from './load.ts';

type CheckOptions = { json?: boolean; timeout: number };

const help = `
Changes nothing: no slot is made, topics are only validated, and the Kafka transaction is an empty one under an id of
its own (<kafka.transactionalIdPrefix>.<slot>.check), so that a relay that runs is not disturbed. Run it with the
relay's own settings and role. Topics that its principal may not even see are not among those it asks about.

Exit codes: 0 nothing is red (! is a warning) · 1 something is red · 64 configuration

Examples:
  $ outbox-relay check
  $ outbox-relay check --json | jq '.checks[] | select(.status == "fail")'`;

export function checkCommand(load: Load): Command {
  return new Command('check')
    .description('check every precondition in Postgres, Kafka and the schema registry')
    .option('--json', 'print one JSON object {ok, checks: [{server, name, status, message, fix}]}')
    .option('--timeout <seconds>', 'how long each question may take', seconds, 10)
    .addHelpText('after', help)
    .action(async (options: CheckOptions, command: Command) => {
      const { config } = load(command);
      const print = (text: string) => command.configureOutput().writeOut?.(`${text}\n`);
      const findings: Finding[] = [];
      for await (const finding of checkAll(config, options.timeout * 1000)) {
        findings.push(finding);
        if (!options.json) print(describeFinding(finding));
      }
      const isFine = !findings.some(({ status }) => status === 'fail');
      if (options.json) print(JSON.stringify({ ok: isFine, checks: findings }, null, 2));
      else print(summary(findings));
      if (!isFine) process.exitCode = exitCodes.findings;
    });
}

function seconds(value: string): number {
  const parsed = Number(value);
  if (!(parsed >= 0.1 && parsed <= 600)) throw new InvalidArgumentError('expected 0.1 to 600 seconds.');
  return parsed;
}

/** All findings, as they come; a server's connection is given up when its questions are asked. */
export async function* checkAll(config: Config, timeoutMs: number): AsyncGenerator<Finding> {
  const pool = createPool(config);
  yield* runChecks('postgres', postgresChecks, { pool, config }, timeoutMs);
  // Not waited for: a server that hangs does not say goodbye.
  void pool.end();

  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin();
  yield* runChecks('kafka', kafkaChecks, { kafka, admin, config }, timeoutMs);
  void admin.disconnect().catch(() => {});

  const client = new RegistryClient(config.registry);
  yield* runChecks('registry', registryChecks, { client, config }, timeoutMs);
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
  const count = (status: Verdict['status']) => findings.filter((finding) => finding.status === status).length;
  const skipped = count('skipped') > 0 ? `, ${count('skipped')} not asked` : '';
  return `${count('ok')} fine, ${count('warn')} to watch, ${count('fail')} to fix${skipped}`;
}
