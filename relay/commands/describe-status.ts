/** A status in words, on one screen: the verdict first, then what it follows from. */
import { styleText } from 'node:util';
import type { RelayError } from '../errors.ts';
import { type KeepReason, keepReasons } from '../model/keep-reasons.ts';
import { printable } from '../observe/printable.ts';
import { describeBytes } from '../operations/slot-health.ts';
import type { CleanupFacts, KnownRecovery, KnownRelay, SecondsLeft, Status } from '../operations/status.ts';
import type { Concern } from '../operations/status-concerns.ts';
import { hasEnded, streamerOf, unreplaced } from '../operations/status-relays.ts';
import { adviceWithCommand, ageOf, describeSeconds } from '../operations/status-words.ts';
import { troubles } from '../operations/verdicts.ts';
import { brief, describeLimits, describePause } from './describe-control.ts';
import { count, counted, wrap } from './format.ts';

/**
 * @param width of the terminal; without it no line wraps
 * @param fault of the configuration that was read
 */
export function describeStatus(status: Status, width?: number, fault?: RelayError): string {
  const rows: [string, string[]][] = [
    ['relays', relayLines(status)],
    ['slot', slotLines(status)],
    ['progress', [describeProgress(status)]],
    ['paused', pauseLines(status)],
    ['rate limit', [describeLimits(status.control, status.limits) ?? 'none']],
    ['dead letters', letterLines(status)],
    ['parked keys', [describeParked(status)]],
    ['audit', [describeAudit(status)]],
    ['cleanup', describeCleanup(status)],
    ...(status.recovery === null
      ? []
      : ([['recovery', [describeOwnRecovery(status.recovery, status.at)]]] as [string, string[]][])),
  ];
  const labelled = rows.flatMap(([label, lines]) =>
    lines.flatMap((line, index) =>
      wrap(line, width === undefined ? undefined : width - labelWidth).map((part, place) =>
        `${(index + place === 0 ? label : '').padEnd(labelWidth)}${part}`.trimEnd(),
      ),
    ),
  );
  return [...verdictLines(status, width), ...faultLines(fault, width), '', ...labelled].join('\n');
}

const labelWidth = 14;

function verdictLines({ verdict }: Status, width: number | undefined): string[] {
  const { name, text, concerns } = verdict;
  const advice = adviceWithCommand(verdict);
  const colour = verdict.isGood ? 'green' : troubles.has(name) ? 'red' : 'yellow';
  return [
    ...wrap(printable(text), width).map((line) => styleText(colour, line)),
    ...(advice === null ? [] : wrap(`  ${printable(advice)}`, width, '  ')),
    ...concerns.flatMap((concern) =>
      wrap(`! ${printable(textOf(concern))}`, width, '  ').map((line) => styleText('yellow', line)),
    ),
  ];
}

/** At three in the morning, what runs counts more than a file; but the next start fails on it. */
function faultLines(fault: RelayError | undefined, width: number | undefined): string[] {
  if (fault === undefined) return [];
  const [head = '', ...faults] = fault.message.split('\n').map(printable);
  const text = `! ${head.replace(/:$/, '')}. No relay starts with that. What it would set counts below with its default.`;
  return [
    ...wrap(text, width, '  ').map((line) => styleText('yellow', line)),
    ...faults.flatMap((line) => wrap(`  ${line}`, width, '    ')),
    ...wrap(`  ${printable(fault.hint)}`, width, '  '),
  ];
}

const textOf = (concern: Concern): string =>
  [concern.text, adviceWithCommand(concern) ?? ''].join(' ').trimEnd();

/** Shown: what matters of more relays than a screen has lines is in the JSON. */
const relaysShown = 6;

function relayLines({ relays, at, slot }: Status): string[] {
  if (relays.length === 0) return ['none has announced itself'];
  const missed = unreplaced(relays);
  const streamer = streamerOf({ relays, slot });
  const present = relays.filter((relay) => !hasEnded(relay) || missed.includes(relay));
  const shown = present.slice(0, relaysShown).map((relay) => describeRelay(relay, at, relay === streamer));
  const more = present.length - shown.length;
  const ended = relays.length - present.length;
  const rest = [
    ...(more === 0 ? [] : [`${count(more)} more`]),
    ...(ended === 0 ? [] : [`${count(ended)} that ended`]),
  ];
  return rest.length === 0 ? shown : [...shown, `and ${rest.join(', ')}; \`status --json\` lists all`];
}

/** @param streams whether it is the one that reads the slot, as far as one can tell */
function describeRelay(relay: KnownRelay, at: string, streams: boolean): string {
  const { instance, version, state, stateSince, isGone, unseenSeconds, httpAddress, facts } = relay;
  const isOutdated = state === 'streaming' && !isGone && !streams;
  const since = describeSeconds(ageOf(stateSince, at));
  const doing =
    isGone && state !== 'stopped'
      ? `gone, last seen ${describeSeconds(unseenSeconds)} ago (${state})`
      : state === 'stopped'
        ? `stopped itself ${since} ago${facts.error === null ? '' : `: ${facts.error.code}`}`
        : isOutdated
          ? `said ${describeSeconds(unseenSeconds)} ago that it streams`
          : `${state} for ${since}`;
  const rate =
    isGone || isOutdated || facts.eventsPerSecond === null
      ? ''
      : `, ${facts.eventsPerSecond.toLocaleString('en-US', { maximumFractionDigits: 1 })} events/s`;
  const { transactionVersion } = facts;
  const protocol =
    isGone || isOutdated || transactionVersion == null ? '' : `, transaction protocol ${transactionVersion}`;
  const failing =
    !isGone && state !== 'stopped' && facts.error !== null && !facts.error.isOver
      ? `, fails: ${facts.error.code}`
      : '';
  const where = isGone || state === 'stopped' || httpAddress === '' ? '' : `, http://${httpAddress}`;
  return printable(`${doing}: ${instance}, version ${version}${rate}${protocol}${failing}${where}`);
}

function slotLines({ slotName, slot }: Status): string[] {
  switch (slot.state) {
    case 'absent':
      return [`${slotName} does not exist; the first start creates it`];
    case 'unusable':
      return [`${slotName}: ${slot.code}`];
    case 'active':
    case 'inactive': {
      const reader = slot.state === 'active' ? `read by walsender ${slot.activePid}` : 'read by nobody';
      const { walStatus, safeWalBytes, untilLimitSeconds, untilDiskSeconds } = slot;
      const limit =
        safeWalBytes === null
          ? 'max_slot_wal_keep_size sets no limit'
          : `${describeBytes(Math.max(0, safeWalBytes))} until Postgres may give it up`;
      return [
        `${slotName}, ${reader}, ${describeBytes(slot.lagBytes)} of WAL not confirmed, after ${slot.confirmedLsn}`,
        `${describeBytes(slot.retainedBytes)} of WAL on disk, wal_status ${walStatus ?? 'unknown'}, ${limit}`,
        `if nothing is published: slot ${describeLeft(untilLimitSeconds, 'lost')}, disk ${describeLeft(untilDiskSeconds, 'full')}`,
      ];
    }
  }
}

function describeLeft(left: SecondsLeft, what: string): string {
  if (left === null) return `${what} at an unknown time`;
  return left === 'never' ? `never ${what}` : `${what} in ${describeSeconds(left)}`;
}

function describeProgress({ progress, progressTopic }: Status): string {
  if (progress === null || progress.ageSeconds === null || progress.endLsn === null)
    return 'nothing published yet';
  const partial = progress.isPartial ? ', in the middle of a large transaction' : '';
  return printable(
    `${progress.endLsn}, ${counted(progress.eventCount, 'event')} published${partial}; ${describeSeconds(progress.ageSeconds)} ago by ${progress.instance} (a copy; the progress is in the topic ${progressTopic})`,
  );
}

function pauseLines({ control, setAside }: Status): string[] {
  if (control.pauses.length === 0) return ['nothing'];
  return control.pauses.map((pause) => {
    const keys = setAside.find(({ topic }) => topic === pause.topic)?.keys ?? 0;
    return `${describePause(pause)}${pause.mode === 'set-aside' ? `; ${counted(keys, 'key waits', 'keys wait')}` : ''}`;
  });
}

function letterLines({ deadLetters }: Status): string[] {
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  if (open === 0) return ['none open'];
  return [
    `${count(open)} open`,
    ...deadLetters.map(
      (each) => `${count(each.open)} ${each.code}, oldest ${describeSeconds(each.oldestAgeSeconds)} ago`,
    ),
  ];
}

function describeParked({ parked, setAside }: Status): string {
  if (parked.keys === 0) return 'none';
  const aside = setAside.reduce((sum, { keys }) => sum + keys, 0);
  const why = aside === 0 ? '' : `; ${counted(aside, 'key')} because a topic is set aside`;
  return `${counted(parked.keys, 'key')}, ${counted(parked.events, 'event')} waiting${why}`;
}

function describeCleanup({ cleanup, at }: Status): string[] {
  if (cleanup === null) return ['not known: no relay that streams has said yet'];
  const { kept, lastRemovalAt, lastRemoval } = cleanup;
  const last =
    lastRemovalAt === null
      ? 'nothing was ever removed'
      : `last removed ${describeSeconds(ageOf(lastRemovalAt, at))} ago${describeRemoval(lastRemoval)}`;
  if (kept === null) return [`off (cleanup.retention is not set); ${last}`];
  const reasons = Object.entries(kept) as [KeepReason, number][];
  if (reasons.length === 0) return [`${last}; nothing waits`];
  return [
    last,
    ...reasons.map(
      ([reason, n]) => `${counted(n, 'partition')} kept: ${reason}, ${keepReasons[reason] ?? ''}`,
    ),
  ];
}

function describeOwnRecovery(recovery: KnownRecovery, at: string): string {
  const { by, code, published, deadLettered, uncertainKeys } = recovery;
  const order = uncertainKeys === 0 ? '' : `; ${counted(uncertainKeys, 'key')} in the order of writing`;
  const letters = deadLettered === 0 ? '' : `, ${counted(deadLettered, 'dead letter')}`;
  return printable(
    `${describeSeconds(ageOf(recovery.at, at))} ago ${by} recovered by itself from a lost slot (${code}): ${counted(published, 'event')} published from the outbox table${letters}${order}`,
  );
}

function describeRemoval(removal: CleanupFacts['lastRemoval']): string {
  if (removal == null) return '';
  const { rows, partitions, bytes } = removal;
  const dropped =
    partitions === 0 ? '' : `, with ${counted(partitions, 'partition')} (${describeBytes(bytes)})`;
  return `: ${counted(rows, 'row')}${dropped}`;
}

function describeAudit({ audit, at }: Status): string {
  if (audit === null) return 'never ran';
  const { findings, events, compared, missingOrRemoved, verifiedAt, lastRunAt, heldBack } = audit;
  if (verifiedAt === null)
    return `nothing verified yet${heldBack === null ? '' : `: ${printable(heldBack)}`}`;
  const found = Object.entries(findings).filter(([, n]) => n > 0);
  const what =
    found.length === 0
      ? missingOrRemoved > 0
        ? `not proven: ${counted(missingOrRemoved, 'event')} missing, or removed by Kafka,`
        : compared === 0
          ? `nothing compared yet: ${events === 0 ? 'no event was committed' : 'no event could be judged'}`
          : 'nothing found'
      : found.map(([kind, n]) => `${count(n)} ${kind.replaceAll('_', ' ')}`).join(', ');
  const ran = lastRunAt === null ? '' : `; last run ${describeSeconds(ageOf(lastRunAt, at))} ago`;
  return `${what} up to ${brief(verifiedAt)}${ran}`;
}
