/** A recovery as lines for people; `--json` has it whole. Pure. */
import { formatLsn } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import { printable } from '../observe/printable.ts';
import type { RecoverProgress } from '../recover/options.ts';
import type { Recovery, Some } from '../recover/report.ts';

export function describeRecovery(recovery: Recovery): string[] {
  const { found, before, after, events, records, missing } = recovery;
  return [
    ...(found.length === 0 ? [row('found', 'nothing wrong')] : []),
    ...found.map(({ code, message }) => row('found', printable(`${code}: ${message}`))),
    row('progress', before === null ? 'none in Kafka' : `${summary(before)}, written ${before.time}`),
    row(recovery.keepsSlot ? 'slot' : 'new slot', describeSlot(recovery)),
    row('compared', `${count(events)} rows of the table with ${count(records)} records in Kafka`),
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
      : [row('progress', `${summary(after)}: \`outbox-relay run\` goes on from there`)]),
  ];
}

export function describeStage({ stage, done, total }: RecoverProgress): string {
  switch (stage) {
    case 'slot':
      return 'making the new slot; Postgres waits for the transactions that run now, prepared ones too';
    case 'topics':
      return `reading the topics: ${count(done)} of ${count(total ?? 0)} offsets`;
    case 'table':
      return `reading the outbox table: ${count(done)} rows`;
    case 'rows':
      return `looking for rows that cannot be read: ${count(done)} of ${count(total ?? 0)} missing events`;
    case 'publishing':
      return `publishing what is missing: ${count(done)} of ${count(total ?? 0)} events`;
  }
}

function describeSlot({ keepsSlot, slotLsn }: Recovery): string {
  if (keepsSlot) return `stays${slotLsn === null ? '' : `; compared as of ${slotLsn}`}`;
  return slotLsn ?? 'none was made: this is a dry run';
}

const orders: Readonly<Record<Recovery['order'], string>> = {
  none: 'nothing to order',
  commit: 'by commit time, as Postgres kept it: that of the commits for writers that wait for one another',
  writing: 'of one transaction as it wrote them; of several by the time of the rows, as far as that is known',
};

function describeOrder({ order, uncertainKeys }: Recovery): string {
  const certain =
    uncertainKeys === 0 ? 'certain for every key' : `not certain for ${count(uncertainKeys)} keys`;
  return order === 'writing' ? `${orders.writing}; ${certain}` : orders[order];
}

function remarks(recovery: Recovery): string[] {
  const { unjudged, expired, beforeFirstStart, withoutId, repeated, reopened, unreadable } = recovery;
  const all: [number, string][] = [
    [
      unreadable.count,
      `${describeSome(unreadable)} of the missing cannot be read as text: a dead letter each, without what cannot be read`,
    ],
    [unjudged.count, `${describeSome(unjudged)} cannot be judged: published, or never published`],
    [expired.count, `${describeSome(expired)} were published and are removed from Kafka since`],
    [
      beforeFirstStart.count,
      `${describeSome(beforeFirstStart)} were committed before the relay first started, and are left alone`,
    ],
    [withoutId, `${count(withoutId)} rows have no id: whether they were published cannot be told`],
    [
      repeated,
      `${count(repeated)} rows have the id of another missing one; of each id only the latest row counts`,
    ],
    [
      reopened,
      `${count(reopened)} dead letters that a relay closed to read their events again are to be open: it did not, and the table has those events no more`,
    ],
  ];
  return all.filter(([found]) => found > 0).map(([, text]) => row('note', text));
}

function describeNotCovered({ notCovered }: Recovery): string {
  if (notCovered === null)
    return 'nothing, unless rows were deleted singly: the table reaches back to what is known to be published';
  const { from, until } = notCovered;
  return `${from ?? 'the beginning'} to ${until}: rows of that time are gone from the table; what of them was not published is lost`;
}

function result({ outcome, keepsSlot, published, deadLettered, missing, unreadable }: Recovery): string {
  if (outcome === 'refused')
    return `nothing was published, and ${keepsSlot ? 'the slot is as it was' : 'the new slot was dropped again'}: decide, and run again`;
  if (outcome === 'dry-run')
    return `a dry run: nothing was changed; without --dry-run ${count(missing.count - unreadable.count)} events would be published, and what is committed until then`;
  const refused = deadLettered === 0 ? '' : `, ${count(deadLettered)} set aside as dead letters`;
  return `recovered: ${count(published)} events published${refused}`;
}

function describeSome({ count: found, from, until }: Some): string {
  const range = from === null ? '' : from === until ? `, of ${from}` : `, of ${from} to ${until}`;
  return `${count(found)} ${found === 1 ? 'event' : 'events'}${range}`;
}

function summary({ endLsn, timeline, eventCount }: Progress): string {
  return `up to ${formatLsn(endLsn)} on timeline ${timeline}, ${count(eventCount)} events`;
}

function row(name: string, text: string): string {
  return `${name.padEnd(13)}${text}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
