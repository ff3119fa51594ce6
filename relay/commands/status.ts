/** `outbox-relay status`: what the relay of a slot is doing. */
import { styleText } from 'node:util';
import { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import { printableText } from '../observe/printable.ts';
import { describeBytes, describeSlotHealth } from '../operations/slot-health.ts';
import { readStatus, type Status, watchStatus } from '../operations/status.ts';
import { seconds } from './arguments.ts';
import { type Call, define } from './command.ts';
import { count, counted, describeAge, formatTable } from './format.ts';
import type { Load } from './load.ts';

type StatusOptions = { json?: boolean; watch?: number | true };

const help = `
Changes nothing and reads only Postgres. The environment variable DATABASE_URL overrides database.url in the file.

The command shows the copy of the progress in outbox.progress, which can lag behind by a few seconds. The progress itself
is a record in the Kafka topic kafka.progressTopic.

Exit codes: 0 the status was shown, even if it shows a problem · 64 invalid arguments or configuration · 69 Postgres is
unreachable · 77 Postgres denies access

Examples:
  $ outbox-relay status
  $ outbox-relay status --watch
  $ outbox-relay status --json | jq .slot.lagBytes`;

export function statusCommand(load: Load): Command {
  const command = new Command('status')
    .description('show what the relay is doing: slot, lag, progress, dead letters')
    .option('--json', 'print one JSON object; with --watch, one on each line')
    .option('-w, --watch [seconds]', 'repeat at this interval (default: 2) until Ctrl-C', seconds(0.1, 3600))
    .addHelpText('after', help);
  return define<StatusOptions>(command, load, { needs: ['database'], run });
}

const watchSeconds = 2;

async function run({ config, options: { json, watch }, print }: Call<StatusOptions>) {
  if (watch === undefined) {
    const status = await readStatus(config);
    return { data: status, text: describeStatus(status) };
  }
  const isLive = json !== true && process.stdout.isTTY === true;
  const update = isLive ? createLogUpdate(process.stdout) : undefined;
  for await (const status of watchStatus(config, (watch === true ? watchSeconds : watch) * 1_000)) {
    const text = json === true ? JSON.stringify(status) : describeStatus(status);
    if (update === undefined) print(text);
    else update(printableText(text));
  }
  return {};
}

export function describeStatus(status: Status): string {
  const { slotName, progressTopic, slot, progress, deadLetters, parked } = status;
  const open = deadLetters.reduce((sum, { open }) => sum + open, 0);
  const lines = [
    ['slot', slotName, describeSlot(slot)],
    ...slotDetails(slot),
    ['progress', progress?.endLsn ?? 'none', describeProgress(progress)],
    ['', '', `copy in Postgres; the progress itself is in the Kafka topic ${progressTopic}`],
    ['dead letters', count(open), open === 0 ? '' : 'open; see `outbox-relay dead-letters list`'],
    ...deadLetters.map(({ code, open, oldestAgeSeconds }) => [
      '',
      count(open),
      `${code}, oldest ${describeAge(oldestAgeSeconds)} ago`,
    ]),
    ...(parked.keys === 0
      ? []
      : [
          [
            'parked keys',
            count(parked.keys),
            `${counted(parked.events, 'event')} waiting behind dead letters; see \`outbox-relay dead-letters release\``,
          ],
        ]),
  ];
  return formatTable(lines);
}

function describeSlot(slot: Status['slot']): string {
  switch (slot.state) {
    case 'absent':
      return 'absent: no relay has started yet; the first `outbox-relay run` creates the slot';
    case 'unusable':
      return styleText('red', `${slot.code}: ${slot.message}. ${slot.hint}`);
    case 'active':
      return styleText('green', `active: a relay is connected (walsender pid ${slot.activePid})`);
    case 'inactive':
      return styleText('yellow', 'inactive: no relay is connected; WAL is accumulating');
  }
}

function slotDetails(slot: Status['slot']): string[][] {
  if (slot.state === 'absent' || slot.state === 'unusable') return [];
  return [
    ['lag', describeBytes(slot.lagBytes), `of WAL after ${slot.confirmedLsn}`],
    ['retained', describeBytes(slot.retainedBytes), `of WAL on disk; ${slotNote(slot)}`],
  ];
}

function slotNote(slot: Parameters<typeof describeSlotHealth>[0]): string {
  const health = describeSlotHealth(slot);
  return slot.walStatus === 'unreserved'
    ? styleText('yellow', `${health}: the slot can be lost at the next checkpoint`)
    : health;
}

function describeProgress(progress: Status['progress']): string {
  if (progress === null || progress.ageSeconds === null) return 'nothing published yet';
  const partial = progress.isPartial ? ', in the middle of a large transaction' : '';
  return `${counted(progress.eventCount, 'event')} published${partial}; by ${progress.instance}, ${describeAge(progress.ageSeconds)} ago`;
}
