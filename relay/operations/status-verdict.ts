/**
 * The verdict of `status`: what the relay of a slot is doing, in a sentence, whether somebody has to look at it, and what
 * to do. Pure. Promise: what cannot be known is unknown, and never good.
 */
import { type ErrorEntry, errorTable } from '../errors.ts';
import type { KnownRelay } from '../ledger/relays.ts';
import { activePauses, type Pause } from '../model/control.ts';
import { counted } from '../model/counted.ts';
import { parkedKeysMax } from '../model/gate.ts';
import { type LastWords, lastWordsOf } from '../model/last-words.ts';
import type { StatusFacts } from './status.ts';
import { type Concern, concernsOf } from './status-concerns.ts';
import { slotSafe, slotSafeWhileFlowing, waitingText } from './status-headline.ts';
import { streamerOf } from './status-relays.ts';
import { ageOf, describeMs, describeSeconds, type Remedy } from './status-words.ts';
import { type VerdictName, verdicts } from './verdicts.ts';

export type Verdict = {
  readonly name: VerdictName;
  /** Whether nobody has to look at anything. */
  readonly isGood: boolean;
  readonly text: string;
  readonly concerns: readonly Concern[];
} & Remedy;

const flowing: ReadonlySet<VerdictName> = new Set(['streaming', 'starting']);

export function judge(facts: StatusFacts): Verdict {
  const words = lastWordsOf(facts.relays);
  const { name, text, advice = null, command = null, quotes } = verdictOf(facts, words);
  const more = concernsOf(facts, {
    isFlowing: flowing.has(name),
    lastWords: words,
    isQuoted: words !== null && quotes === words,
  });
  return {
    name,
    isGood: verdicts[name][0] && more.length === 0,
    text: text.trimEnd(),
    advice,
    command,
    concerns: more,
  };
}

type Said = {
  readonly name: VerdictName;
  readonly text: string;
  readonly advice?: string;
  readonly command?: string;
  /** Where the text says what stopped the last relay. */
  readonly quotes?: LastWords;
};

/** Older than this is behind, s. A quiet stream takes some ms, and an outage of Kafka's leader a few seconds. */
const behindSeconds = 60;

function verdictOf(facts: StatusFacts, words: LastWords | null): Said {
  const { slot, relays } = facts;
  const live = relays.filter(({ isGone, state }) => !isGone && state !== 'stopped');
  const recovering = live.find(({ facts }) => facts.isRecovering);
  if (recovering !== undefined) return recoveringOf(facts, recovering);
  switch (slot.state) {
    case 'absent':
      return facts.relays.length === 0
        ? {
            name: 'never-started',
            text: `Not streaming: no relay has started on slot ${facts.slotName} yet.`,
            advice: `${meantSlot(facts)} \`outbox-relay check\`, then \`outbox-relay run\`: the first start creates the slot.`,
          }
        : withoutSlot(facts, live, words);
    case 'unusable':
      return slotLost(slot, words);
    case 'inactive':
      return withoutSlot(facts, live, words);
    case 'active':
      return withSlot(facts, live);
  }
}

/** A command without the file of the relay looks at the default slot, and there is nothing. */
function meantSlot({ slotName, otherSlots }: StatusFacts): string {
  if (otherSlots.length === 0) return 'Run';
  const which = otherSlots.length === 1 ? 'slot' : 'slots';
  return `Relays of this database have started on ${which} ${otherSlots.join(', ')}: if you mean ${otherSlots.length === 1 ? 'that one' : 'one of these'}, name the file of its settings with --config, or set OUTBOX_RELAY_SLOT. If you mean slot ${slotName}, run`;
}

/** Who set it and why, so that nobody has to look for it; empty where the settings set it. */
function limiter({ control: { limits, limitedBy }, at }: StatusFacts): string {
  if (limitedBy === null || (limits.eventsPerSecond ?? limits.bytesPerSecond) === null) return '';
  const { person, reason, since } = limitedBy;
  return ` (by ${person} for ${describeSeconds(ageOf(since, at))}${reason === null ? '' : `: ${reason}`})`;
}

/** A recovery waits at a pause as the stream does, and then a person has to end that. */
function recoveringOf({ control }: StatusFacts, { facts: { reason } }: KnownRelay): Said {
  const name = 'recovering';
  const text = `Not streaming: ${reason}`;
  const holds = activePauses(control).filter(({ mode }) => mode === 'hold');
  const hold = holds.find(({ topic }) => topic === null) ?? holds[0];
  if (hold === undefined) return { name, text, advice: 'Wait. Once it is done, a relay streams again.' };
  const { topic, person, reason: why } = hold;
  const waits =
    topic === null ? 'It publishes nothing: everything' : `It may wait at an event of topic ${topic}, which`;
  return {
    name,
    text: `${text}. ${waits} is paused by ${person}: ${why}`,
    advice: 'Resume it when the reason is gone.',
    command: `outbox-relay resume${topic === null ? '' : ` --topic ${topic}`}`,
  };
}

/**
 * A relay that could not recover by itself says which decision it needs. It has dropped the slot that it made, so the slot
 * may be missing now where it was invalidated before.
 */
function slotLost(
  { code, message, hint }: Extract<StatusFacts['slot'], { state: 'unusable' }>,
  words: LastWords | null,
): Said {
  const name = 'slot-lost';
  if (words !== null && (words.code === code || losesSlot(words.code)))
    return {
      name,
      text: `Not streaming: ${words.code}: ${words.message}.`,
      advice: `${words.hint} ${onlyCopy}`,
      quotes: words,
    };
  return { name, text: `Not streaming: ${code}: ${message}.`, advice: `${hint} ${onlyCopy}` };
}

const onlyCopy = 'Until then remove no rows from the outbox table: it may have the only copy of events.';

/** A later release may know other codes. */
const losesSlot = (code: string): boolean =>
  (errorTable as Readonly<Record<string, ErrorEntry | undefined>>)[code]?.losesSlot === true;

const opening = new Set<KnownRelay['state']>(['fencing', 'claiming', 'lineage', 'draining']);

function withSlot(facts: StatusFacts, live: readonly KnownRelay[]): Said {
  const streamer = streamerOf(facts);
  if (streamer !== undefined) return streamingOf(facts, streamer);
  const starting = live.find(({ state }) => opening.has(state));
  if (starting !== undefined)
    return {
      name: 'starting',
      text: `Not streaming yet: ${starting.instance} has the slot, ${starting.facts.reason}`,
    };
  if (live.some(({ state }) => state === 'streaming'))
    return {
      name: 'starting',
      text: 'Not streaming yet: a relay has just taken the slot, and has not said yet what it does.',
    };
  const pid = facts.slot.state === 'active' ? facts.slot.activePid : null;
  return {
    name: 'unknown',
    text: `Unknown: something reads the slot (walsender pid ${pid ?? 'unknown'}), and no relay announces that it streams.`,
    advice:
      'It may be a relay of an earlier release, one that may not write outbox.relay, or `outbox-relay adopt`. Look at its log; `outbox-relay check` names missing rights.',
  };
}

function streamingOf(facts: StatusFacts, streamer: KnownRelay): Said {
  const { error, isStanding, isLimited, lagMs } = streamer.facts;
  const pauses = activePauses(facts.control);
  const all = pauses.find(({ topic }) => topic === null);
  const behind = lagMs === null ? '' : `, oldest unpublished event ${describeMs(lagMs)} old`;
  const oldest = lagMs === null || lagMs === 0 ? '' : `, oldest unpublished event ${describeMs(lagMs)}`;
  if (all !== undefined)
    return {
      name: 'paused',
      text: `Paused by ${all.person} for ${describeSeconds(ageOf(all.since, facts.at))}: ${all.reason}. ${endOf(all)}${slotSafe(facts)}`,
      advice: 'Resume when the reason is gone.',
      command: 'outbox-relay resume',
    };
  // It got as far as the gate: what failed before is over, although nothing is published that would show it.
  if (isStanding) {
    const holding = holdingPauses(pauses, facts);
    return {
      name: 'held',
      text: `Waiting at an event of a paused topic (${heldTopics(holding, facts.at)})${behind}. ${slotSafe(facts)}`,
      advice: 'Resume the topic when the reason is gone.',
      command: `outbox-relay resume --topic ${holding.length === 1 ? holding[0]!.topic : '…'}`,
    };
  }
  if (error !== null && !error.isOver)
    return {
      name: 'failing',
      text: `Standing still for ${describeSeconds(ageOf(error.since, facts.at))}: ${error.message} (${error.code}), retrying${behind}. ${slotSafe(facts)}`,
      advice: error.hint,
    };
  if (isLimited)
    return {
      name: 'limited',
      text: `Streaming at the rate limit${limiter(facts)}. ${describeRate(streamer.facts)}${waitingOf(streamer.facts)}${oldest}. ${slotSafeWhileFlowing(facts)}`,
      advice: 'If consumers can take it, lift the limit to catch up.',
      command: 'outbox-relay rate-limit --events none --bytes none',
    };
  if (lagMs === null)
    return {
      name: 'starting',
      text: 'Streaming since a moment ago; how far it is behind is not known yet.',
    };
  if (lagMs > behindSeconds * 1_000)
    return {
      name: 'behind',
      text: `Streaming, and behind. ${describeRate(streamer.facts)}${oldest}. ${slotSafeWhileFlowing(facts)}`,
      advice:
        'If it does not catch up, look at the parts of the latency (outbox_relay_publish_latency_stage_seconds).',
    };
  return {
    name: 'streaming',
    text: `${headlineOf(facts, `${describeRate(streamer.facts)}${oldest}`)} ${slotSafeWhileFlowing(facts)}`,
  };
}

/** What is wrong first: a stream that flows may leave events behind. */
function headlineOf(facts: StatusFacts, rate: string): string {
  const waiting = waitingText(facts);
  return waiting === undefined ? `Streaming. ${rate}.` : `${waiting} Other events are published. ${rate}.`;
}

/** The stream waits at a topic that is set aside only when no more keys can wait. */
function holdingPauses(pauses: readonly Pause[], { parked }: StatusFacts): readonly Pause[] {
  const held = pauses.filter(({ mode }) => mode === 'hold');
  return held.length === 0 || parked.keys >= parkedKeysMax ? pauses : held;
}

function heldTopics(pauses: readonly Pause[], at: string): string {
  const topics = pauses.flatMap(({ topic, person, reason, since }) =>
    topic === null ? [] : [`${topic}, by ${person} for ${describeSeconds(ageOf(since, at))}: ${reason}`],
  );
  return topics.length > 3 ? `one of ${topics.length}` : topics.join('; ');
}

function withoutSlot(facts: StatusFacts, live: readonly KnownRelay[], words: LastWords | null): Said {
  const failing = live.find(({ facts: { error } }) => error !== null && !error.isOver);
  const { error } = failing?.facts ?? {};
  if (failing !== undefined && error != null)
    return {
      name: 'not-streaming',
      text: `Not streaming for ${describeSeconds(Math.max(ageOf(error.since, facts.at), facts.progress?.ageSeconds ?? 0))}: ${error.message} (${error.code}), retrying. ${slotSafe(facts)}`,
      advice: error.hint,
    };
  const former = live.find(({ state }) => state === 'streaming');
  if (former !== undefined)
    return {
      name: 'not-streaming',
      text: `Not streaming: nothing reads the slot. ${former.instance} on ${former.host} said ${describeSeconds(former.unseenSeconds)} ago that it streams: it has ended or lost its connection since. ${slotSafe(facts)}`,
      advice:
        'A standby takes a free slot within a second, and so does a relay that lost its connection. If no relay runs, start one with `outbox-relay run`.',
    };
  if (live.length > 0)
    return {
      name: 'not-streaming',
      text: `Not streaming${sinceLast(facts)}: ${live.length === 1 ? 'one relay runs' : `${live.length} relays run`}, and none has the slot: ${live[0]!.facts.reason}. ${slotSafe(facts)}`,
      advice:
        'A standby takes a free slot within a second. If this lasts, look at the log of the relays and check what they need.',
      command: 'outbox-relay check',
    };
  // The last one that ended: what stopped an earlier one may be repaired.
  const [gone] = facts.relays.toSorted((a, b) => Date.parse(b.seenAt) - Date.parse(a.seenAt));
  if (words !== null && words.instance === gone?.instance)
    return {
      name: 'stopped',
      text: `Not streaming: the relay stopped itself ${describeSeconds(ageOf(words.at, facts.at))} ago: ${words.message} (${words.code}). ${slotSafe(facts)}`,
      advice: words.hint,
      quotes: words,
    };
  return {
    name: 'no-relay',
    text: `Not streaming${sinceLast(facts)}: no relay runs.${endOfLast(gone)} ${slotSafe(facts)}`,
    advice: 'Start one with `outbox-relay run`. If one runs, it cannot reach Postgres: look at its log.',
  };
}

/** Of one that was killed, or lost its way to Postgres: it could not say why. */
function endOfLast(gone: KnownRelay | undefined): string {
  if (gone === undefined) return '';
  const { instance, host, unseenSeconds, state, facts } = gone;
  const seen = ` The last one, ${instance} on ${host}, was seen ${describeSeconds(unseenSeconds)} ago`;
  if (state === 'stopped') return `${seen}.`;
  const failed =
    facts.error === null || facts.error.isOver
      ? ''
      : ` It failed at that time: ${facts.error.message} (${facts.error.code}).`;
  return `${seen} (${state}) and has not said why it ended: its log may say so.${failed}`;
}

/**
 * The copy of the progress is written every few seconds while a relay streams, and later where nothing is published. What
 * a relay said last may be more recent.
 */
function sinceLast({ progress, relays }: StatusFacts): string {
  if (progress?.ageSeconds == null) return '';
  const said = relays.filter(({ state }) => state === 'streaming').map(({ unseenSeconds }) => unseenSeconds);
  return ` for ${describeSeconds(Math.min(progress.ageSeconds, ...said))}`;
}

function endOf({ until }: Pause): string {
  return until === null
    ? 'It has no end. '
    : `It ends by itself at ${until.replace('T', ' ').replace(/\.\d+Z$/, 'Z')}. `;
}

/** Only a relay that has received all there is can count them. */
const waitingOf = ({ lagEvents }: KnownRelay['facts']): string =>
  lagEvents == null || lagEvents === 0 ? '' : `, ${counted(lagEvents, 'event waits', 'events wait')}`;

function describeRate({ eventsPerSecond, lagMs, lagEvents }: KnownRelay['facts']): string {
  if (eventsPerSecond === null) return 'Rate not known yet';
  // Only one that has received all there is can know that nothing waits.
  if (eventsPerSecond === 0 && lagMs === 0 && lagEvents === 0) return 'Nothing to publish';
  const digits = eventsPerSecond < 10 ? 1 : 0;
  return `${eventsPerSecond.toLocaleString('en-US', { maximumFractionDigits: digits })} events/s`;
}
