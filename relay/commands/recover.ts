/** `outbox-relay recover`: closes a gap in the stream from the outbox table. */
import { Command, Option } from 'commander';
import { createLogger } from '../observe/log.ts';
import { type RecoverOptions, type RecoverStage, recoverByHand } from '../operations/recover.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { type Call, define } from './command.ts';
import { describeInterrupted, describeRecovery, describeStage } from './describe-recovery.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { ProgressLine, unlessNothing } from './progress-line.ts';
import { oneShot, untilSignalled } from './until-signalled.ts';

type Options = ActorOptions & {
  dryRun?: boolean;
  json?: boolean;
  force?: boolean;
  byWritingOrder?: boolean;
  acceptRewound?: boolean;
  skipUnreadable?: boolean;
  unjudged: RecoverOptions['unjudged'];
};

const help = `
Use it when the relay stopped with SLOT_MISSING, SLOT_INVALIDATED, LINEAGE_SLOT_AHEAD, LINEAGE_PROGRESS_LOST,
RECOVERY_UNFINISHED or PUBLICATION_GAP: the slot was dropped, invalidated, lost in a failover, recreated or moved by hand,
or the publication did not cover the outbox for a while. With --skip-unreadable, use it after ROW_UNREADABLE: it turns
each such row into a dead letter and publishes the rows behind it.

Stop the relays first. A relay that you start during the recovery stays in standby.

Steps: fence every earlier relay; take a snapshot of the outbox table at a known position; compare it with the topics
(read_committed) and the dead letters; publish the events that are in neither; write the progress from which \`run\`
continues. A lost slot is dropped and created again; a usable one is kept. If recover is killed, run it again: it
publishes nothing twice.

Limits:
  lost rows   Rows that were deleted, or dropped with their partition, before they were published are lost. The output
              names the time span in which that can have happened.
  order       The table does not hold the order of commits. With track_commit_timestamp = on Postgres records it, and
              it is exact for writers that wait for each other. Otherwise only the order within one transaction is
              certain. If several events of a key are missing, recover refuses until you give --by-writing-order,
              which sorts by created_at. That column must hold the time of the INSERT, not of BEGIN.
  unjudged    If Kafka has removed the beginning of a topic, or compacts it, an event may have been published and then
              removed. Without recorded snapshots an event may date from before the first start. --unjudged decides.
  position    Recovered events share one position: the byte before the new slot or the snapshot. Their records carry the
              commit time if it is known, otherwise the time of the row.

Memory: about 40 bytes for each record in the topics. It does not grow with the number of missing events, which Postgres
sorts: on its disk, if they are many, 150 bytes or so each. Without commit times it takes another 80 bytes for each key
that misses an event.

On SIGTERM or SIGINT it ends after the Kafka transaction in progress, and drops a slot that it created. A second one,
more than a second later, ends it at once. While it runs, \`outbox-relay status\` shows who recovers and how far.

Exit codes: 0 recovered · 1 interrupted, a dry run, or an option has to decide first · 64 no problem found, or
invalid arguments · 69 a server is unreachable, or a relay holds the slot · 77 access denied · 78 the progress belongs to
another database, or this one was rewound

Examples:
  $ outbox-relay recover --dry-run
  $ outbox-relay recover
  $ outbox-relay recover --skip-unreadable
  $ outbox-relay recover --json | jq '{published, notCovered}'`;

export function recoverCommand(load: Load): Command {
  const command = new Command('recover')
    .summary('recover from a lost slot: publish the events that are missing in Kafka')
    .description(
      'Recovers from a lost or incomplete stream: publishes the events of the outbox table that are missing in Kafka, and creates the slot again if it is lost.',
    )
    .option('--dry-run', 'show the problem and what would be published; change nothing')
    .option('--by-writing-order', 'sort the events of a key by created_at if the commit order is unknown')
    .addOption(
      new Option('--unjudged <what>', 'what to do with events that may have been published before')
        .choices(['refuse', 'publish', 'skip'])
        .default('refuse'),
    )
    .option('--skip-unreadable', 'turn rows that Postgres cannot send into dead letters (ROW_UNREADABLE)')
    .option('--accept-rewound', 'continue even if Kafka has events that this database lost (LINEAGE_REWOUND)')
    .option('--force', 'compare and recover even if no problem is found')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<Options>(withActor(command), load, { run });
}

async function run({ config, options }: Call<Options>) {
  const line = new ProgressLine<RecoverStage>(unlessNothing(describeStage));
  const recovering = {
    config,
    log: createLogger('fatal'),
    isDryRun: options.dryRun === true,
    isForced: options.force === true,
    acceptsRewound: options.acceptRewound === true,
    skipsUnreadable: options.skipUnreadable === true,
    acceptsWritingOrder: options.byWritingOrder === true,
    unjudged: options.unjudged,
    onStage: (stage: RecoverStage) => line.show(stage, stage.stage),
  };
  const actor = { person: options.by, reason: options.reason ?? null };
  const recovery = await untilSignalled(oneShot, (signal) =>
    recoverByHand({ ...recovering, signal }, actor),
  ).finally(() => line.end());
  return {
    data: recovery,
    text: (recovery.outcome === 'interrupted'
      ? describeInterrupted(recovery)
      : describeRecovery(recovery)
    ).join('\n'),
    hasFindings: recovery.outcome !== 'recovered',
  };
}
