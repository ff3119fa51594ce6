/** `npm run chaos`: injects faults on real servers and reports which invariants were broken. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import { integer, number, randomSeed } from '../harness/arguments.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import { describeAudit } from './audit.ts';
import {
  faultClasses,
  type Producer,
  producers,
  type TransactionVersion,
  transactionVersions,
} from './fault.ts';
import { faults } from './faults/all.ts';
import { describeOutcome, describeTotals, document, textTable } from './report.ts';
import { nameOf, runChaos } from './run.ts';

const help = `
Starts Postgres, three Kafka brokers and a schema registry, writes to an outbox without pause, and follows the topics
with a read_committed consumer. Then it injects one fault after another, some of them in pairs: into the relay, the
servers and the network between them. After each fault it compares everything it wrote with everything it read
(invariants I1 to I9). It leaves nothing behind but the logs of the relays in .cache/chaos.

Exit codes: 0 all invariants held; 1 an invariant was broken, or a server failed to start; 64 wrong arguments

Examples:
  $ npm run chaos -- --list
  $ npm run chaos -- --minutes 25 --seed 7 --json chaos.json
  $ npm run chaos -- --faults network,'killed at EVENTS_SENT' --minutes 2
  $ npm run chaos -- --producer kafkajs --minutes 25
  $ npm run chaos -- --transaction-version auto --minutes 30
  $ npm run chaos -- --once --faults 'bad disk'`;

const usageExitCode = 64;

type Arguments = {
  minutes: number;
  seed: number;
  faults?: string[];
  list?: boolean;
  audit?: boolean;
  once?: boolean;
  producer: Producer;
  transactionVersion: TransactionVersion;
  json?: string;
  docs?: boolean;
};

const command = new Command('npm run chaos --')
  .description(
    'Injects faults into the relay and its real servers, and checks that no event is lost or duplicated.',
  )
  .option('--minutes <number>', 'how long to run', number(0.1, 10_000), 5)
  .addOption(
    new Option('--seed <number>', 'repeat the faults of another run in the same order')
      .argParser(integer(0, 2 ** 32 - 1))
      .default(randomSeed(), 'random'),
  )
  .option(
    '--faults <names>',
    `only these faults, separated by commas: ${faultClasses.join(', ')}, or parts of names`,
    (text) => text.split(','),
  )
  .option('--once', 'inject each fault once and none in pairs, however long that takes')
  .addOption(
    new Option('--producer <name>', 'the producer that the relays publish with')
      .choices(producers)
      .default('lean'),
  )
  .addOption(
    new Option('--transaction-version <version>', 'publish.transactionVersion of the relays')
      .choices(transactionVersions)
      .default(transactionVersions[0]),
  )
  .option('--audit', 'run the standing audit beside the faults; what it finds breaks invariant I10')
  .option('--list', 'list the faults and exit')
  .option('--json <file>', 'write every outcome to this file')
  .option('--docs', 'write the table of this producer to docs/evidence/chaos.md')
  .addHelpText('after', help)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : usageExitCode));

const docsFile = path.join(import.meta.dirname, '..', 'docs', 'evidence', 'chaos.md');

ignoreNegativeTimeouts();
process.exit(await main(command.parse().opts<Arguments>()));

async function main(given: Arguments): Promise<number> {
  const {
    minutes,
    seed,
    faults: wanted,
    list,
    once,
    producer,
    transactionVersion,
    json,
    docs,
    audit,
  } = given;
  const chosen = faults
    .filter((fault) => fault.producer === undefined || fault.producer === producer)
    .filter(
      (fault) =>
        (wanted === undefined &&
          (fault.transactionVersion === undefined || fault.transactionVersion === transactionVersion)) ||
        wanted?.some((word) => fault.class === word.trim() || nameOf(fault).includes(word.trim())),
    );
  if (chosen.length === 0) {
    process.stderr.write('error: no fault matches; --list shows all names\n');
    return usageExitCode;
  }
  if (list === true) {
    for (const fault of chosen) print(`${nameOf(fault)}\n    ${fault.about}: ${expectation(fault)}`);
    return 0;
  }
  try {
    const result = await runChaos({
      faults: chosen,
      seed,
      producer,
      transactionVersion,
      audits: audit === true,
      ...(once === true ? {} : { minutes }),
      signal: untilSignalled(),
      onProgress: print,
      onOutcome: (outcome, count) => print(describeOutcome(outcome, count)),
    });
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
    if (docs === true) writeFileSync(docsFile, document(readFileSync(docsFile, 'utf8'), result, minutes));
    print(`\n${textTable(result.outcomes)}\n\n${describeTotals(result)}`);
    if (result.audit !== undefined) print(describeAudit(result.audit));
    return result.outcomes.every(({ breaches }) => breaches.length === 0) ? 0 : 1;
  } catch (error) {
    process.stderr.write(
      `error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 1;
  }
}

function expectation({ expect }: (typeof faults)[number]): string {
  return expect === 'recovers' ? 'recovers' : `halts with ${expect.haltsWith.join(' or ')}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The first signal ends the run after the fault under way; a second one ends it at once. */
function untilSignalled(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (ending.signal.aborted) process.exit(130);
      print('stopping after this fault; press Ctrl-C again to stop now');
      ending.abort();
    });
  return ending.signal;
}
