/** What replays say to people. */
import { printable } from '../observe/printable.ts';
import {
  type Absent,
  absentOf,
  type Plan,
  type Range,
  type ReplayResult,
  type ReplayStage,
  type ShownReplay,
  type StoredReplay,
} from '../operations/replay.ts';
import { describeBytes } from '../operations/slot-health.ts';
import { describeSeconds } from '../operations/status-words.ts';
import { count, counted, formatTable } from './format.ts';
import { bar } from './progress-line.ts';

export function describeStage({ stage, done, total, topic }: ReplayStage): string {
  if (stage === 'paused') return `waiting: ${topic === undefined ? 'the relay' : `topic ${topic}`} is paused`;
  if (stage === 'counting') return 'counting the events of the range …';
  if (stage === 'listing') return 'sorting the events of the range …';
  return `publishing: ${bar(done, total ?? done)} events`;
}

/** @param missing options that would do it, where it was not told to */
export function describeResult(result: ReplayResult, missing: string | undefined): string[] {
  const { outcome, plan, replay } = result;
  const lines = [...(plan === null ? [] : describePlan(plan)), ...absentLines(absentOf(result))];
  if (replay !== null) return [...lines, ...describeEnd(replay)];
  if (outcome === 'empty' || plan?.events === 0) return [...lines, 'nothing in the range can be replayed'];
  if ((plan?.doubts.length ?? 0) > 0)
    return [...lines, 'nothing was published: decide what is marked with ? first'];
  return [
    ...lines,
    missing === undefined
      ? 'nothing was published'
      : `nothing was published; run again with ${missing} to publish these`,
  ];
}

function absentLines(absent: Absent | null): string[] {
  if (absent === null) return [];
  const { events, isExact, before } = absent;
  if (isExact) return [`gone: ${counted(events, 'event')} of the range that the table does not have`];
  return [
    `gone: up to ${counted(events, 'event')} of the range, from before ${before}, which cleanup removed; --from leaves them out`,
  ];
}

function describePlan(plan: Plan): string[] {
  const head = ['TOPIC', 'TYPE', 'EVENTS', 'BYTES', 'FIRST', 'LAST'];
  const rows = plan.groups.map(({ topic, type, events, bytes, first, last }) => [
    topic ?? '(no allowed topic)',
    type,
    count(events),
    describeBytes(bytes),
    first ?? '',
    last ?? '',
  ]);
  const order = plan.order === 'commit' ? 'the order of their commits' : 'the order of writing (created_at)';
  return [
    ...(rows.length === 0 ? [] : [formatTable([head, ...rows])]),
    ...(plan.otherGroups > 0 ? [`and ${count(plan.otherGroups)} more types`] : []),
    `${counted(plan.events, 'event')}, ${describeBytes(plan.bytes)} as stored, in ${order}`,
    ...leftOutLines(plan.leftOut),
    ...plan.doubts.map((doubt) => `? ${doubt}`),
  ];
}

const reasons = {
  pending: 'not known to be published yet: the stream brings them',
  streamed: 'published by the stream since the first start',
  before: 'written before the first start: --before-first-start publishes these',
  unknown: 'perhaps never published, from before the relay kept snapshots: --include-unknown adds them',
  'dead-letter': 'dead letters that nobody has published: see `outbox-relay dead-letters list`',
  replaced: 'refused, and written again under the same id',
  'without-id': 'without an id, so never published',
  done: 'in an earlier replay of what was written before the first start',
} as const satisfies Record<keyof Plan['leftOut'], string>;

function leftOutLines(leftOut: Plan['leftOut']): string[] {
  return (Object.keys(reasons) as (keyof Plan['leftOut'])[])
    .filter((reason) => leftOut[reason] > 0)
    .map((reason) => `left out: ${count(leftOut[reason])} ${reasons[reason]}`);
}

function describeEnd(replay: StoredReplay): string[] {
  const { id, state, published, refused, gone, message } = replay;
  const counts = [
    `${counted(published, 'event')} published`,
    ...(refused > 0 ? [`${count(refused)} refused`] : []),
    ...(gone > 0 ? [`${count(gone)} gone from the table`] : []),
  ].join(', ');
  if (state === 'done') return [`replay ${id} done: ${counts}`];
  return [
    `replay ${id} stopped: ${counts}${message === null ? '' : `; ${printable(message)}`}`,
    `continue it with: outbox-relay replay --resume ${id}`,
  ];
}

/** A process that died leaves its replay running: nothing of it was heard since. */
function describeState({ state, updatedAt }: StoredReplay): string {
  const silentSeconds = (Date.now() - Date.parse(updatedAt)) / 1_000;
  return state === 'running' && silentSeconds > 60 ? `silent for ${describeSeconds(silentSeconds)}` : state;
}

export function describeReplays(replays: readonly StoredReplay[]): string {
  if (replays.length === 0) return 'no replays';
  const head = ['REPLAY', 'STATE', 'STARTED', 'PUBLISHED', 'OF', 'REFUSED', 'GONE', 'TO', 'RANGE'];
  const rows = replays.map((replay) => [
    replay.id,
    describeState(replay),
    `${replay.startedAt.slice(0, 19)}Z`,
    count(replay.published),
    count(replay.total),
    count(replay.refused),
    count(replay.gone),
    replay.topic ?? 'their own topics',
    describeRange(replay),
  ]);
  return formatTable([head, ...rows]);
}

const verbs = {
  replay: 'started',
  'replay-resume': 'continued',
  'replay-stop': 'stopped',
  'replay-finish': 'finished',
} as const satisfies Record<ShownReplay['actions'][number]['action'], string>;

export function describeShown(shown: ShownReplay): string[] {
  const { id, message, actions, refusals } = shown;
  return [
    `replay ${id}: ${describeState(shown)}${message === null ? '' : `, ${printable(message)}`}`,
    `range: ${describeRange(shown)}`,
    `to: ${shown.topic ?? 'their own topics'}`,
    `${count(shown.published)} of ${count(shown.total)} published, ${count(shown.refused)} refused, ${count(shown.gone)} gone from the table`,
    ...actions.map(
      ({ action, person, role, reason, at }) =>
        `${at} ${verbs[action]} by ${printable(person)} (role ${printable(role)})${reason === null ? '' : `: ${printable(reason)}`}`,
    ),
    ...refusals.map(
      ({ id: event, type, code, message: why }) =>
        `refused: ${printable(event)} ${printable(type ?? '')} ${code}: ${printable(why)}`,
    ),
  ];
}

function describeRange({ range, isFirst }: Pick<StoredReplay, 'range' | 'isFirst'>): string {
  const { from, until, keys, types, aggregatetypes, ids, positions, isOfDeadLetters, includesUnknown } =
    range as Range;
  const some = (name: string, list: readonly string[] | null) =>
    list === null
      ? []
      : [list.length === 1 ? `${name} ${printable(list[0]!)}` : `${count(list.length)} ${name}s`];
  const parts = [
    ...(isFirst ? ['before the first start'] : []),
    ...(from === null ? [] : [`from ${from}`]),
    ...(until === null ? [] : [`until ${until}`]),
    ...(positions === null ? [] : [`positions ${positions.from ?? ''}…${positions.until ?? ''}`]),
    ...some('key', keys),
    ...some('type', types),
    ...some('aggregatetype', aggregatetypes),
    ...some('id', ids),
    ...(isOfDeadLetters ? ['dead letters'] : []),
    ...(includesUnknown ? ['with unknown ones'] : []),
  ];
  return parts.length === 0 ? 'everything published' : parts.join(', ');
}
