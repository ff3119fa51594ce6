/** A recovery as lines for people; `--json` has all of it. Pure. */
import { formatLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { printable } from '../observe/printable.ts';
import type { Interrupted, RecoverStage, Recovery, Some } from '../operations/recover.ts';
import { count, counted, describeDuration } from './format.ts';
import { bar } from './progress-line.ts';

export function describeRecovery(recovery: Recovery): string[] {
  const { found, before, after, events, records, missing } = recovery;
  return [
    ...(found.length === 0 ? [row('found', 'no problem')] : []),
    ...found.map(({ code, message }) => row('found', printable(`${code}: ${message}`))),
    row('progress', before === null ? 'none in Kafka' : `${summary(before)}, written ${before.time}`),
    row(recovery.keepsSlot ? 'slot' : 'new slot', describeSlot(recovery)),
    row('compared', `${counted(events, 'row')} of the table with ${counted(records, 'record')} in Kafka`),
    row('missing', describeSome(missing)),
    ...missing.ids.map((id) => row('', printable(id))),
    ...(missing.count > missing.ids.length
      ? [row('', `and ${count(missing.count - missing.ids.length)} more`)]
      : []),
    row('order', describeOrder(recovery)),
    ...remarks(recovery),
    row('not covered', describeNotCovered(recovery)),
    ...recovery.doubts.map((doubt) => row('to decide', printable(doubt))),
    row('result', result(recovery)),
    ...(after === null
      ? []
      : [row('progress', `${summary(after)}; \`outbox-relay run\` continues from there`)]),
  ];
}

export function describeInterrupted({ stage }: Interrupted): string[] {
  const where = stage === null ? '' : ` while ${describeDone(stage)}`;
  return [
    row('result', `interrupted${where}`),
    row('', 'run recover again: what it published counts, and it publishes nothing twice'),
  ];
}

export function describeStage(stage: RecoverStage): string {
  const { leftMs } = stage;
  return `${describeDone(stage)}${leftMs === undefined ? '' : `, about ${describeDuration(leftMs)} left`}`;
}

function describeDone({ stage, done, total }: RecoverStage): string {
  switch (stage) {
    case 'slot':
      return 'creating a slot; Postgres waits for running transactions to end, prepared ones included';
    case 'topics':
      return `reading the topics: ${bar(done, total ?? 0)} offsets`;
    case 'table':
      // The total is an estimate, and writers may have overtaken it.
      return total === undefined || done > total
        ? `reading the outbox table: ${counted(done, 'row')}`
        : `reading the outbox table: ${bar(done, total)} rows, by the estimate of Postgres`;
    case 'sorting':
      return `Postgres sorts ${counted(total ?? 0, 'row')} that may be missing`;
    case 'rows':
      return `looking for unreadable rows: ${bar(done, total ?? 0)} missing events`;
    case 'publishing':
      return `publishing missing events: ${bar(done, total ?? 0)}`;
  }
}

function describeSlot({ keepsSlot, slotLsn }: Recovery): string {
  if (keepsSlot) return `kept${slotLsn === null ? '' : `; compared as of ${slotLsn}`}`;
  return slotLsn ?? 'not created: this is a dry run';
}

const orders: Readonly<Record<Recovery['order'], string>> = {
  none: 'nothing to sort',
  commit: 'by commit time (track_commit_timestamp); exact for writers that wait for each other',
  writing:
    'within a transaction as written; across transactions by the time of the rows, as far as it is known',
};

function describeOrder({ order, uncertainKeys }: Recovery): string {
  const certain =
    uncertainKeys === 0 ? 'certain for every key' : `not certain for ${counted(uncertainKeys, 'key')}`;
  return order === 'writing' ? `${orders.writing}; ${certain}` : orders[order];
}

function remarks(recovery: Recovery): string[] {
  const { unjudged, expired, beforeFirstStart, withoutId, repeated, reopened, unreadable } = recovery;
  const all: [number, string][] = [
    [
      unreadable.count,
      `${describeSome(unreadable)} of these cannot be read as text; each becomes a dead letter without the unreadable columns`,
    ],
    [unjudged.count, `${describeSome(unjudged)} may or may not have been published`],
    [expired.count, `${describeSome(expired)} were published, and Kafka has removed them since`],
    [
      beforeFirstStart.count,
      `${describeSome(beforeFirstStart)} were committed before a relay first started; recover leaves them alone`,
    ],
    [
      withoutId,
      `${counted(withoutId, 'row')} without an id: recover cannot tell whether they were published`,
    ],
    [
      repeated,
      `${counted(repeated, 'row')} with the id of another missing row: only the latest row of each id counts`,
    ],
    [
      reopened,
      `${counted(reopened, 'dead letter')} will be open again: a relay closed them to read their events again but never did, and the table no longer holds those events`,
    ],
  ];
  return all.filter(([found]) => found > 0).map(([, text]) => row('note', text));
}

function describeNotCovered({ notCovered }: Recovery): string {
  if (notCovered === null)
    return 'nothing: the table reaches back to what is known to be published, unless rows were deleted one by one';
  const { from, until } = notCovered;
  return `${from ?? 'the beginning'} to ${until}: the table no longer holds the rows of that time; those that were not published are lost`;
}

function result(recovery: Recovery): string {
  const { outcome, keepsSlot, published, deadLettered, missing, unreadable, doubts } = recovery;
  if (outcome === 'refused')
    return `nothing was published, and ${keepsSlot ? 'the slot is unchanged' : 'the new slot was dropped again'}; decide, then run recover again`;
  if (outcome === 'dry-run' && doubts.length > 0)
    return 'dry run, nothing was changed; without --dry-run, recover would publish nothing either: decide first';
  if (outcome === 'dry-run')
    return `dry run, nothing was changed; without --dry-run, recover would publish ${counted(missing.count - unreadable.count, 'event')}, and those committed until then`;
  const refused = deadLettered === 0 ? '' : `, ${count(deadLettered)} dead-lettered`;
  return `recovered: ${counted(published, 'event')} published${refused}`;
}

function describeSome({ count: found, from, until }: Some): string {
  const range = from === null ? '' : from === until ? ` of ${from}` : ` of ${from} to ${until}`;
  return `${counted(found, 'event')}${range}`;
}

function summary({ endLsn, timeline, eventCount }: Progress): string {
  return `up to ${formatLsn(endLsn)} on timeline ${timeline}, ${counted(eventCount, 'event')}`;
}

function row(name: string, text: string): string {
  return `${name.padEnd(13)}${text}`;
}
