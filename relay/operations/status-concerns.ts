/** What somebody has to look at beside the verdict of `status`, and what to do about it. Pure. */
import { activePauses } from '../model/control.ts';
import { counted } from '../model/counted.ts';
import { ownerAdvice } from '../model/hanging-transaction.ts';
import type { LastWords } from '../model/last-words.ts';
import type { DealtWith, StatusFacts } from './status.ts';
import { seenOf, toRepair } from './status-headline.ts';
import { hasEnded, ranWith, unreplaced } from './status-relays.ts';
import { ageOf, describeSeconds, type Remedy } from './status-words.ts';

/** What else somebody has to look at. */
export const concerns = {
  'stopped-before': 'a relay stopped itself, and none has streamed since',
  'dead-letters': 'dead letters are open',
  'parked-keys': 'keys wait behind a refused event',
  'set-aside': 'a topic is paused, and its events are set aside',
  'slot-at-risk': 'Postgres may give up the slot soon, or its disk is about to be full',
  'hanging-transaction': 'consumers do not get past a transaction that nobody ends',
  'relay-failing': 'another relay of the slot fails',
  'relay-down': 'a relay died or stopped itself, and fewer run since then',
  disobeyed: 'a relay has not confirmed what a person told it',
  config: 'a relay rejected its changed configuration, and would not start again',
  audit: 'the audit found something, or cannot run',
} as const satisfies Record<string, string>;

export type ConcernName = keyof typeof concerns;

/** Its advice goes on after the text, which may say already what to do. */
export type Concern = { readonly name: ConcernName; readonly text: string } & Remedy;

type Found = { readonly name: ConcernName; readonly text: string } & Partial<Remedy>;

const nothingToRun: Remedy = { advice: null, command: null };

/** Less than this is left for a person to act, while nothing is published. As of the alert OutboxSlotAtRisk. */
const riskSeconds = 4 * 3_600;
/** Even while the stream flows: one short outage would be enough. */
const alwaysRiskSeconds = 3_600;

export type OfVerdict = {
  /** Whether a relay streams, or is about to. */
  readonly isFlowing: boolean;
  readonly lastWords: LastWords | null;
  /** Whether the verdict says them. */
  readonly isQuoted: boolean;
};

export function concernsOf(facts: StatusFacts, { isFlowing, lastWords, isQuoted }: OfVerdict): Concern[] {
  const found: Found[] = [
    ...(isQuoted ? [] : wordsConcerns(lastWords, facts)),
    ...letterConcerns(facts),
    ...asideConcerns(facts),
    ...slotConcerns(facts, isFlowing),
    ...hangingConcerns(facts),
    ...relayConcerns(facts),
    ...downConcerns(facts, lastWords),
    ...configConcerns(facts),
    ...auditConcerns(facts),
  ];
  return found.map((each) => ({ ...nothingToRun, ...each }));
}

/** Beside what another relay does now: it may stop for the same reason as soon as it gets as far. */
function wordsConcerns(words: LastWords | null, { at: now }: StatusFacts): Found[] {
  if (words === null) return [];
  const { instance, host, at, code, message, hint } = words;
  return [
    {
      name: 'stopped-before',
      text: `${instance} on ${host} stopped itself ${describeSeconds(ageOf(at, now))} ago, and no relay has streamed since: ${message} (${code}). ${hint}`,
    },
  ];
}

function letterConcerns({ deadLetters, dealtWith, parked, setAside }: StatusFacts): Found[] {
  const found: Found[] = [];
  const open = deadLetters.reduce((sum, each) => sum + each.open, 0);
  const oldest = Math.max(0, ...deadLetters.map(({ oldestAgeSeconds }) => oldestAgeSeconds));
  const isRepaired = toRepair({ deadLetters, dealtWith }) === 0;
  const notSeen =
    dealtWith !== null && 'code' in dealtWith
      ? ` Which of them are fixed is not known (${dealtWith.code}).`
      : '';
  if (open > 0)
    found.push({
      name: 'dead-letters',
      text: `${counted(open, 'dead letter is', 'dead letters are')} open${isRepaired ? ' and fixed' : ''}, the oldest for ${describeSeconds(oldest)}.${notSeen}`,
      ...nextOf(isRepaired ? seenOf(dealtWith) : null),
    });
  const behindRefused = parked.keys - setAside.reduce((sum, { keys }) => sum + keys, 0);
  if (behindRefused > 0)
    found.push({
      name: 'parked-keys',
      text: `${counted(behindRefused, 'key waits', 'keys wait')} behind a refused event.`,
      advice: isRepaired
        ? 'What was refused is fixed: release the key.'
        : 'Correct its cause or its payload, then release the key.',
      command: 'outbox-relay dead-letters release',
    });
  return found;
}

/** @param dealt null where some are to be repaired */
function nextOf(dealt: DealtWith | null): Remedy {
  if (dealt === null) return { advice: 'Look at them.', command: 'outbox-relay dead-letters list' };
  if (dealt.resubmit > 0) return { advice: 'Resubmit them.', command: 'outbox-relay dead-letters resubmit' };
  if (dealt.release > 0)
    return { advice: 'Release their keys.', command: 'outbox-relay dead-letters release' };
  return { advice: 'The relay releases them within seconds.', command: null };
}

function asideConcerns({ control, setAside, at }: StatusFacts): Found[] {
  return activePauses(control).flatMap(({ topic, mode, person, reason, since }) => {
    if (mode !== 'set-aside') return [];
    const keys = setAside.find((each) => each.topic === topic)?.keys ?? 0;
    return [
      {
        name: 'set-aside' as const,
        text: `Events of topic ${topic} are set aside by ${person} for ${describeSeconds(ageOf(since, at))}: ${reason}. ${counted(keys, 'key waits', 'keys wait')} until the topic is resumed.`,
        advice: 'Resume it when the reason is gone.',
        command: `outbox-relay resume --topic ${topic}`,
      },
    ];
  });
}

function slotConcerns({ slot, relays }: StatusFacts, isFlowing: boolean): Found[] {
  if (slot.state === 'absent' || slot.state === 'unusable') return [];
  const name = 'slot-at-risk';
  if (slot.walStatus === 'unreserved' || slot.walStatus === 'lost')
    return [
      {
        name,
        text: `wal_status is ${slot.walStatus}: Postgres gives up the slot at the next checkpoint unless the relay catches up.`,
      },
    ];
  const limitSeconds = isFlowing ? alwaysRiskSeconds : riskSeconds;
  const live = relays.filter((relay) => !hasEnded(relay));
  const recovers = live.length > 0 && live.every(({ facts: { whenLost } }) => whenLost === 'recover');
  const afterwards = recovers
    ? 'The relay then publishes by itself what is missing, from the outbox table (slot.whenLost: recover).'
    : 'The relay then stops, and `outbox-relay recover` publishes what is missing, from the outbox table.';
  const texts = [
    [slot.untilLimitSeconds, 'Postgres gives up the slot', afterwards],
    [slot.untilDiskSeconds, 'the disk of Postgres is full', 'Then no application can write.'],
  ] as const;
  return texts.flatMap(([seconds, what, then]) =>
    typeof seconds === 'number' && seconds < limitSeconds
      ? [
          {
            name,
            text: `In ${describeSeconds(seconds)} ${what}, if nothing is published until then. ${then}`,
          } as const,
        ]
      : [],
  );
}

function hangingConcerns({ relays, at }: StatusFacts): Found[] {
  return relays.flatMap(({ isGone, state, facts: { hanging } }) => {
    if (isGone || state !== 'streaming' || hanging == null) return [];
    const { topic, partition, offset, owner, since } = hanging.longest;
    const more = hanging.count > 1 ? `, and ${counted(hanging.count - 1, 'other partition')} alike` : '';
    return [
      {
        name: 'hanging-transaction' as const,
        text: `Consumers under read_committed have not got past offset ${offset} of ${topic}/${partition} for ${describeSeconds(ageOf(since, at))}${more}: a transaction hangs there.`,
        advice: `${ownerAdvice[owner]}. The runbook of OutboxTransactionHanging says what to do.`,
      },
    ];
  });
}

/** A relay says every second at most that it obeys; one that says so later hangs. */
const obeySeconds = 15;

function relayConcerns({ relays, control, slot, at }: StatusFacts): Found[] {
  const found: Found[] = [];
  const streamers = relays.filter(({ state, isGone }) => state === 'streaming' && !isGone);
  const since = [...control.pauses.map((pause) => pause.since), control.limitedBy?.since ?? null];
  const latest = since.flatMap((time) => (time === null ? [] : [ageOf(time, at)]));
  const isRecent = latest.length > 0 && Math.min(...latest) < obeySeconds;
  for (const { instance, revision } of streamers)
    if ((revision ?? -1) < control.revision && !isRecent)
      found.push({
        name: 'disobeyed',
        text: `${instance} has not confirmed yet that it obeys the last pause, resume or rate limit.`,
      });
  for (const { instance, state, isGone, facts } of relays) {
    const { error, isReady } = facts;
    // Without a reader of the slot the verdict says so.
    const isJudged = slot.state === 'inactive' || slot.state === 'absent' || state === 'streaming';
    if (isGone || isJudged || state === 'stopped' || isReady || error === null || error.isOver) continue;
    found.push({
      name: 'relay-failing',
      text: `${instance} (${state}) fails: ${error.message} (${error.code}). It cannot take over.`,
    });
  }
  return found;
}

/** Where no relay is left the verdict says so. */
function downConcerns({ relays, at }: StatusFacts, words: LastWords | null): Found[] {
  if (relays.every(hasEnded)) return [];
  const others = unreplaced(relays).filter(({ instance }) => instance !== words?.instance);
  return others.map((relay) => {
    const { instance, host, state, stateSince, unseenSeconds, facts } = relay;
    const { error } = facts;
    const { before, now } = ranWith(relay, relays);
    const why = error === null ? '' : `: ${error.message} (${error.code})`;
    const end =
      state === 'stopped'
        ? `stopped itself ${describeSeconds(ageOf(stateSince, at))} ago${why}`
        : `has not been seen for ${describeSeconds(unseenSeconds)}, and did not say goodbye`;
    return {
      name: 'relay-down',
      text: `${instance} on ${host} ${end}. Until then ${counted(before, 'relay')} ran, and now ${now === 1 ? '1 does' : `${now} do`}: look at its log, and start one unless enough run without it. It is forgotten a day later, or once its row in outbox.relay is deleted.`,
    };
  });
}

function configConcerns({ relays }: StatusFacts): Found[] {
  return relays.flatMap(({ instance, isGone, state, facts }) =>
    isGone || state === 'stopped' || facts.hasRejectedConfig !== true
      ? []
      : [
          {
            name: 'config' as const,
            text: `${instance} rejected its changed configuration and works on with the one before. It will not start again until the configuration is valid: its log and \`outbox-relay config\` list the faults.`,
          },
        ],
  );
}

function auditConcerns({ audit }: StatusFacts): Found[] {
  if (audit === null) return [];
  const found = Object.entries(audit.findings).filter(([, count]) => count > 0);
  const text = found.map(([kind, count]) => `${count} ${kind.replaceAll('_', ' ')}`).join(', ');
  const concernsFound: Found[] =
    found.length === 0
      ? []
      : [
          {
            name: 'audit',
            text: `The audit found ${text}.`,
            advice: 'Look at the findings.',
            command: 'outbox-relay audit --report',
          },
        ];
  if (audit.missingOrRemoved > 0)
    concernsFound.push({
      name: 'audit',
      text: `The audit found no record of ${audit.missingOrRemoved} ${audit.missingOrRemoved === 1 ? 'event' : 'events'}, and cannot tell whether Kafka removed it or it is lost.`,
      advice: 'Find out which, before Postgres has no row of it either.',
      command: 'outbox-relay audit --report',
    });
  if (audit.verifiedAt !== null && audit.events > 0 && audit.compared === 0)
    concernsFound.push({
      name: 'audit',
      text: 'The audit could compare none of the events that it read, so it says nothing of them.',
      advice: 'Look at what it could not judge, and why.',
      command: 'outbox-relay audit --report',
    });
  if (audit.heldBack !== null)
    concernsFound.push({
      name: 'audit',
      text: `The last run of the audit verified nothing: ${audit.heldBack}`,
    });
  return concernsFound;
}
