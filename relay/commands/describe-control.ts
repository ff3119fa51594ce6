/** What is paused and limited, in words, for the commands that change it and for `status`. */
import type { Control, Pause, RateLimits } from '../model/control.ts';
import { printable } from '../observe/printable.ts';
import type { Obedience } from '../operations/control.ts';
import { describeBytes } from '../operations/slot-health.ts';
import { counted } from './format.ts';

/** @param unchanged why nothing was changed */
export function describeObedience(told: Obedience, unchanged = 'nothing was changed (--dry-run)'): string {
  const { outcome, relays, control, limits } = told;
  return [
    ...describeControl(control, limits),
    ...warnings(told),
    {
      obeyed: `stored; ${relays.join(' and ')} obeys`,
      waiting: `stored; ${relays.join(' and ')} has not confirmed yet that it obeys; \`outbox-relay status\` shows it`,
      nobody: 'stored; no relay streams now, and each obeys from its start on',
      unchanged,
    }[outcome],
  ].join('\n');
}

/** What a person may not have meant. */
function warnings({ absentTopic, unaskedTopic, droppedEnd }: Obedience): string[] {
  const takeBack = (topic: string) =>
    `\`outbox-relay resume --topic ${printable(topic)}\` takes the pause back`;
  const all: string[] = [];
  if (absentTopic !== null)
    all.push(
      `Kafka shows no topic ${printable(absentTopic)}: no event went there so far. If the name is mistyped, ${takeBack(absentTopic)}`,
    );
  if (unaskedTopic !== null)
    all.push(
      `Kafka did not say whether topic ${printable(unaskedTopic)} exists: check the name yourself. If it is mistyped, it pauses nothing, and ${takeBack(unaskedTopic)}`,
    );
  if (droppedEnd !== null)
    all.push(
      `this pause had an end before, ${brief(droppedEnd)}, and has none now: only \`outbox-relay resume\` ends it. To keep an end, pause again with --for`,
    );
  return all;
}

/** What counts, for somebody who asked no more than that. */
export function describeRates({ control, limits }: Obedience): string {
  return [...control.pauses.map(describePause), describeLimits(control, limits) ?? 'no rate limit'].join(
    '\n',
  );
}

/** A line for everything that people have said. */
export function describeControl(control: Control, limits: RateLimits): string[] {
  const lines = control.pauses.map(describePause);
  const limited = describeLimits(control, limits);
  if (limited !== undefined) lines.push(limited);
  return lines.length === 0 ? ['nothing is paused or limited'] : lines;
}

export function describePause({
  topic,
  mode,
  person,
  reason,
  since,
  until,
  isOver,
  isReleasing,
}: Pause): string {
  const what = topic === null ? 'everything' : `topic ${printable(topic)}`;
  const by = `by ${printable(person)} since ${brief(since)}: ${printable(reason)}`;
  if (isReleasing || (isOver && mode === 'set-aside'))
    return `${what} is resumed; its events that were set aside are being published, in order`;
  if (isOver) return `the pause of ${what} is over`;
  const end = until === null ? '' : `; ends by itself at ${brief(until)}`;
  if (mode === 'set-aside') return `${what} is set aside ${by}${end}`;
  return `${what} is paused ${by}${end}`;
}

/** undefined where nothing limits the rate. */
export function describeLimits({ limits, limitedBy }: Control, effective: RateLimits): string | undefined {
  const { eventsPerSecond, bytesPerSecond } = effective;
  const isSaid = limits.eventsPerSecond !== null || limits.bytesPerSecond !== null;
  const rates = [
    ...(eventsPerSecond === 0 ? [] : [`${counted(eventsPerSecond, 'event')}/s`]),
    ...(bytesPerSecond === 0 ? [] : [`${describeBytes(bytesPerSecond)}/s`]),
  ];
  if (rates.length === 0 && !isSaid) return undefined;
  const rate = rates.length === 0 ? 'no rate limit' : `at most ${rates.join(' and ')}`;
  if (!isSaid || limitedBy === null) return `${rate}, as the settings say`;
  const why = limitedBy.reason === null ? '' : `: ${printable(limitedBy.reason)}`;
  return `${rate}, by ${printable(limitedBy.person)} since ${brief(limitedBy.since)}${why}`;
}

/** `2026-01-31 12:00:05Z` */
export function brief(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}
