/** A take-over from Debezium as lines for people; `--json` has all of it. Pure. */
import { formatLsn } from '../model/position.ts';
import { printable } from '../observe/printable.ts';
import type { TakeOver, TakeOverInterrupted, TakeOverStage } from '../operations/adopt/debezium.ts';
import { count, counted, describeDuration } from './format.ts';
import { bar } from './progress-line.ts';

export function describeTakeOver(taken: TakeOver | TakeOverInterrupted): string[] {
  if (taken.outcome === 'interrupted') {
    const where = taken.stage === null ? '' : ` while ${describeDone(taken.stage)}`;
    return [
      row('result', `interrupted${where}`),
      row('', 'run adopt debezium again: what it published counts, and it publishes nothing twice'),
    ];
  }
  const { connector, untilLsn, tail, doubts, outcome } = taken;
  const slot =
    outcome === 'dry-run' ? `not created: this is a dry run; compared up to ${untilLsn}` : untilLsn;
  return [
    row('connector', `slot ${connector.slot}, confirmed up to ${connector.confirmedLsn}`),
    row('new slot', outcome === 'refused' ? 'dropped again' : slot),
    row('tail', describeTail(tail)),
    row('compared', `with ${counted(tail.records, 'record')} in Kafka`),
    row('published', `${counted(tail.published, 'event')} of the tail, by the connector or an earlier run`),
    ...some('missing', tail.missing),
    ...(tail.overtaken.count > 0 ? some('overtaken', tail.overtaken) : []),
    ...(tail.unjudged.count > 0 ? some('unjudged', tail.unjudged) : []),
    ...(tail.otherKeys.count > 0 ? some('other keys', tail.otherKeys) : []),
    ...notes(taken),
    ...doubts.map((doubt) => row('to decide', printable(doubt))),
    row('result', result(taken)),
    ...next(taken),
  ];
}

export function describeStage(stage: TakeOverStage): string {
  const { leftMs } = stage;
  return `${describeDone(stage)}${leftMs === undefined ? '' : `, about ${describeDuration(leftMs)} left`}`;
}

const bytesPerMb = 1_000_000;

function describeDone({ stage, done, total }: TakeOverStage): string {
  switch (stage) {
    case 'connector':
      return 'looking at the slot of the connector';
    case 'slot':
      return 'creating a slot; Postgres waits for running transactions to end, prepared ones included';
    case 'tail':
      // Fewer would be "0 of 0".
      return (total ?? 0) < bytesPerMb
        ? 'reading the slot of the connector: less than 1 MB of WAL'
        : `reading the slot of the connector: ${bar(Math.round(done / bytesPerMb), Math.round(total! / bytesPerMb))} MB of WAL`;
    case 'topics':
      return `reading the topics: ${bar(done, total ?? 0)} offsets`;
    case 'publishing':
      return `publishing missing events: ${bar(done, total ?? 0)}`;
  }
}

function describeTail({ events, firstCommittedAt, lastCommittedAt }: TakeOver['tail']): string {
  if (firstCommittedAt === null) return 'no event: the connector has confirmed everything';
  return `${counted(events, 'event')} after that, committed from ${firstCommittedAt} to ${lastCommittedAt}`;
}

function some(name: string, { count: found, ids }: TakeOver['tail']['missing']): string[] {
  return [
    row(name, counted(found, 'event')),
    ...ids.map((id) => row('', printable(id))),
    ...(ids.length > 0 && found > ids.length ? [row('', `and ${count(found - ids.length)} more`)] : []),
  ];
}

function notes({ tail, isResumed }: TakeOver): string[] {
  const all: [boolean, string][] = [
    [isResumed, 'an earlier run has begun; this one continues'],
    [
      tail.duplicates > 0,
      `${counted(tail.duplicates, 'further record')} of events of the tail: the connector published these more than once. They stay; consumers tell them apart by the header id`,
    ],
    [
      tail.repeated > 0,
      `${counted(tail.repeated, 'row')} of the tail with the id of an earlier one: the ids should be unique`,
    ],
    [
      tail.withoutId > 0,
      `${counted(tail.withoutId, 'row')} of the tail without an id: each becomes a dead letter, since nobody can tell whether it was published`,
    ],
  ];
  return all.filter(([isFound]) => isFound).map(([, text]) => row('note', text));
}

function result({ outcome, published, deadLettered, tail, doubts }: TakeOver): string {
  if (outcome === 'refused') return 'nothing was published; decide, then run adopt debezium again';
  if (outcome === 'dry-run' && doubts.length > 0)
    return 'dry run, nothing was changed; without --dry-run, adopt debezium would publish nothing either: decide first';
  if (outcome === 'dry-run')
    return `dry run, nothing was changed; without --dry-run, adopt debezium would publish ${counted(tail.missing.count, 'event')}, and those committed until then`;
  return `adopted: ${counted(published, 'event')} published${deadLettered === 0 ? '' : `, ${count(deadLettered)} dead-lettered`}`;
}

function next({ after, connector }: TakeOver): string[] {
  if (after === null) return [];
  const { slot, isDropped } = connector;
  return [
    row('progress', `up to ${formatLsn(after.endLsn)}`),
    row(
      'next',
      'delete the connector (DELETE /connectors/<name> at Kafka Connect): if it starts again, events come twice',
    ),
    row('', 'then start the relay: outbox-relay run'),
    isDropped
      ? row('', `slot ${slot} of the connector is dropped`)
      : row(
          '',
          `slot ${slot} of the connector holds WAL: drop it once you are sure that you will not go back: select pg_drop_replication_slot('${slot}')`,
        ),
  ];
}

function row(name: string, text: string): string {
  return `${name.padEnd(11)}${text}`;
}
