/** `outbox-relay recover`: a new slot in place of a lost one, and the gap closed from the outbox table. */
import { Command, Option } from 'commander';
import { exitCodes } from '../errors.ts';
import { formatLsn } from '../model/position.ts';
import { createLogger } from '../observe/log.ts';
import type { RecoverOptions, RecoverProgress } from '../recover/options.ts';
import { recover } from '../recover/recover.ts';
import type { Recovery } from '../recover/report.ts';
import { describeRecovery, describeStage } from './describe-recovery.ts';
import type { Load } from './load.ts';
import { ProgressLine } from './progress-line.ts';

type Options = {
  dryRun?: boolean;
  json?: boolean;
  force?: boolean;
  byWritingOrder?: boolean;
  acceptRewound?: boolean;
  skipUnreadable?: boolean;
  unjudged: RecoverOptions['unjudged'];
};

const help = `
For a relay that stopped with SLOT_MISSING, SLOT_INVALIDATED, LINEAGE_SLOT_AHEAD, LINEAGE_PROGRESS_LOST,
RECOVERY_UNFINISHED or PUBLICATION_GAP: its slot was dropped, given up by Postgres, lost in a failover, made again or
moved by hand, or did not see the outbox for a while. And for one that stopped with ROW_UNREADABLE: --skip-unreadable
passes over such rows, with a dead letter for each, and publishes what is behind them.

What it does: fence whoever published before, take a snapshot of the outbox table at a known position, compare it with
the topics (read_committed) and the dead letters, publish what is in neither, and write the progress at which \`run\` goes
on. A lost slot is made again; one that can be used stays as it is. Killed at any instant it can be run again, and
publishes nothing twice. Stop the relays first; one that is started meanwhile stays in standby.

What it cannot do:
  rows that were deleted, or went with their partition, before they were published are lost; the output says since when
  the order in which transactions were committed is not in the table. With track_commit_timestamp = on it is known, for
  writers that wait for one another exactly. Without it only the events of one transaction are in certain order, and
  where more of a key are missing it refuses until --by-writing-order (created_at, which must be the time of the INSERT
  and not of the transaction's begin) is given
  where Kafka has removed the beginning of a topic, or compacts it, an event may have been published and removed; and
  where the relay kept no snapshots, it may be from before the first start: --unjudged decides
  recovered events share one position, that of the byte before the new slot or the snapshot; their records have the time
  of the commit where it is known, else of the row

Memory: some 80 bytes for each record in the topics, and 500 for each missing event.

Exit codes: 0 recovered · 1 shown, or refused until an option decides; nothing was published · 64 nothing is lost ·
69 a server did not answer, or a relay still holds the slot · 78 another database, or a rewound one

Examples:
  $ outbox-relay recover --dry-run
  $ outbox-relay recover
  $ outbox-relay recover --skip-unreadable
  $ outbox-relay recover --json | jq '{published, notCovered}'`;

export function recoverCommand(load: Load): Command {
  return new Command('recover')
    .summary('make a new slot in place of a lost one and publish what is missing')
    .description(
      'Recovers from a lost replication slot: makes a new one and publishes the events of the outbox table that are missing in Kafka.',
    )
    .option('--dry-run', 'show what is wrong and what would be published; change nothing')
    .option(
      '--by-writing-order',
      'order a key by when rows were written where the order of commits is not known',
    )
    .addOption(
      new Option('--unjudged <what>', 'events of which it is not known whether they were published')
        .choices(['refuse', 'publish', 'skip'])
        .default('refuse'),
    )
    .option(
      '--skip-unreadable',
      'set rows aside as dead letters that Postgres cannot give as text (ROW_UNREADABLE)',
    )
    .option('--accept-rewound', 'go on although Kafka has events this database lost (LINEAGE_REWOUND)')
    .option('--force', 'compare and make a new slot although nothing seems lost')
    .option('--json', 'print one JSON object')
    .addHelpText('after', help)
    .action(async (options: Options, command: Command) => {
      const { config } = load(command);
      const line = new ProgressLine<RecoverProgress>(process.stderr, describeStage);
      const recovery = await recover({
        config,
        log: createLogger('fatal'),
        isDryRun: options.dryRun === true,
        isForced: options.force === true,
        acceptsRewound: options.acceptRewound === true,
        skipsUnreadable: options.skipUnreadable === true,
        acceptsWritingOrder: options.byWritingOrder === true,
        unjudged: options.unjudged,
        onProgress: (progress) => line.show(progress.stage, progress),
      }).finally(() => line.end());
      const text = options.json === true ? toJson(recovery) : describeRecovery(recovery).join('\n');
      command.configureOutput().writeOut?.(`${text}\n`);
      if (recovery.outcome !== 'recovered') process.exitCode = exitCodes.findings;
    });
}

function toJson(recovery: Recovery): string {
  return JSON.stringify(recovery, (_, value: unknown) =>
    typeof value === 'bigint' ? formatLsn(value) : value,
  );
}
