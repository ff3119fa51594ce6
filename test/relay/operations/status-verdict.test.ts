/** One test for each verdict and each concern, and what is unknown is never good. */
import { describe, expect, test } from 'vitest';
import type { TransactionOwner } from '../../../relay/model/hanging-transaction.ts';
import type { KnownRelay, StatusFacts } from '../../../relay/operations/status.ts';
import { concerns } from '../../../relay/operations/status-concerns.ts';
import { judge } from '../../../relay/operations/status-verdict.ts';
import { verdicts } from '../../../relay/operations/verdicts.ts';
import { controlOf, pauseOf } from '../model/controls.ts';
import { at, factsOf, failure, inactive, relayOf, slot, standby } from './statuses.ts';

const paused = controlOf([{}], null, 0);
const limited = {
  ...controlOf([], 5),
  limitedBy: { person: 'ada', reason: 'backfill', since: controlOf([{}]).pauses[0]!.since },
};
const held = controlOf([{ topic: 'orders' }], null, 0);
const aside = controlOf([{ topic: 'orders', mode: 'set-aside' }], null, 0);
/** The last words of a relay that was asked to recover by itself, and may not decide. */
const refused = {
  ...failure(),
  code: 'SLOT_INVALIDATED',
  message: 'slot shop is lost. The relay cannot recover by itself: --by-writing-order decides',
  hint: 'Run `outbox-relay recover` with this option.',
};
const stopped = (more: Partial<KnownRelay> = {}, error: KnownRelay['facts']['error'] = refused) =>
  relayOf({ state: 'stopped', isGone: true, ...more }, { isReady: false, error });
const missing = {
  state: 'unusable',
  code: 'SLOT_MISSING',
  message: 'slot shop does not exist',
  hint: 'Run recover.',
} as const;
const invalidated = {
  state: 'unusable',
  code: 'SLOT_INVALIDATED',
  message: 'slot shop is invalidated',
  hint: 'Run it.',
} as const;

type Case = [keyof typeof verdicts, string, Partial<StatusFacts>, string | RegExp];

const cases: Case[] = [
  [
    'streaming',
    'a relay that publishes what comes',
    {},
    'Streaming. 1,204 events/s, oldest unpublished event 12 ms.',
  ],
  [
    'streaming',
    'a relay to which nothing comes',
    { relays: [relayOf({}, { eventsPerSecond: 0, lagMs: 0, lagEvents: 0 })] },
    'Streaming. Nothing to publish.',
  ],
  [
    'streaming',
    'a relay that may not have received all there is',
    { relays: [relayOf({}, { eventsPerSecond: 0, lagMs: 0, lagEvents: null })] },
    /^Streaming\. 0 events\/s\.$/,
  ],
  [
    'streaming',
    'a relay that has events and has published none since it last said so',
    { relays: [relayOf({}, { eventsPerSecond: 0, lagMs: 40, lagEvents: 1 })] },
    /^Streaming\. 0 events\/s, oldest unpublished event 40 ms\./,
  ],
  [
    'streaming',
    'a relay whose last failure is over',
    { relays: [relayOf({}, { error: failure(true) })] },
    /^Streaming\./,
  ],
  [
    'behind',
    'a relay with an old event',
    { relays: [relayOf({}, { lagMs: 300_000 })] },
    /behind.*event 5 min\./,
  ],
  [
    'limited',
    'a relay at its limit, with what waits',
    { relays: [relayOf({}, { isLimited: true, lagMs: 300_000, eventsPerSecond: 5.04, lagEvents: 3_201 })] },
    /^Streaming at the rate limit\. 5 events\/s, 3,201 events wait, oldest/,
  ],
  [
    'limited',
    'a relay at its limit, however old the event is',
    { relays: [relayOf({}, { isLimited: true, lagMs: 300_000, eventsPerSecond: 5.04 })] },
    /^Streaming at the rate limit\. 5 events\/s, oldest unpublished event 5 min\./,
  ],
  [
    'limited',
    'a limit that somebody set',
    { control: limited, relays: [relayOf({}, { isLimited: true, lagMs: 300_000, eventsPerSecond: 5 })] },
    /^Streaming at the rate limit \(by ada for 2 min: backfill\)\. 5 events\/s/,
  ],
  [
    'paused',
    'a pause of everything',
    { control: paused, relays: [relayOf({}, { isStanding: true })] },
    'Paused by ada for 2 min: upgrade. It has no end. Slot safe for 61 hours if nothing is published.',
  ],
  [
    'held',
    'a stream that waits at such an event since its session failed before',
    { control: held, relays: [relayOf({}, { isStanding: true, error: failure() })] },
    /^Waiting at an event of a paused topic/,
  ],
  [
    'starting',
    'a relay that said that it streams before something took the slot',
    { slot: { ...slot, readSince: '2026-01-02T03:06:05.679Z' } },
    'Not streaming yet: a relay has just taken the slot, and has not said yet what it does.',
  ],
  [
    'streaming',
    'a relay that has said so since it took the slot',
    { slot: { ...slot, readSince: at } },
    /^Streaming\. 1,204/,
  ],
  [
    'held',
    'a stream that waits at an event of a paused topic',
    { control: held, relays: [relayOf({}, { isStanding: true, lagMs: 90_000 })] },
    /^Waiting at an event of a paused topic \(orders, by ada for 2 min: upgrade\), oldest unpublished event 1 min|90 s/,
  ],
  [
    'failing',
    'a relay that has the slot and retries',
    { relays: [relayOf({}, { error: failure() })] },
    /^Standing still for 4 min: connecting to Kafka: no broker answered \(KAFKA_UNAVAILABLE\), retrying/,
  ],
  [
    'starting',
    'a relay that fences its predecessor',
    { relays: [relayOf({ state: 'fencing' }, { reason: 'fencing: fencing the predecessor' })] },
    /^Not streaming yet: pod-a\/7\/1a2b3c4d has the slot, fencing/,
  ],
  [
    'starting',
    'a relay that has said nothing about its delay yet',
    { relays: [relayOf({}, { lagMs: null })] },
    /not known yet/,
  ],
  [
    'recovering',
    'a relay that recovers from a lost slot',
    { slot: invalidated, relays: [standby({ isRecovering: true, reason: 'standby: recovering' })] },
    'Not streaming: standby: recovering',
  ],
  [
    'recovering',
    'a recovery that waits because a person has paused everything',
    {
      slot: invalidated,
      control: controlOf([{}]),
      relays: [standby({ isRecovering: true, reason: 'standby: recovering' })],
    },
    'Not streaming: standby: recovering. It publishes nothing: everything is paused by ada: upgrade',
  ],
  [
    'recovering',
    'a recovery beside a paused topic',
    {
      slot: invalidated,
      control: controlOf([{ topic: 'orders' }, { topic: 'items', mode: 'set-aside' }]),
      relays: [standby({ isRecovering: true, reason: 'standby: recovering' })],
    },
    /It may wait at an event of topic orders, which is paused by ada: upgrade$/,
  ],
  [
    'not-streaming',
    'a relay that cannot begin',
    { slot: inactive, relays: [standby({ error: failure() })] },
    /^Not streaming for 4 min: .*\(KAFKA_UNAVAILABLE\), retrying\. Slot safe for 61 hours/,
  ],
  [
    'not-streaming',
    'standbys that do not take the slot',
    { slot: inactive, relays: [standby()] },
    /^Not streaming for 1 min: one relay runs, and none has the slot/,
  ],
  [
    'not-streaming',
    'a relay that streamed a moment ago, and was killed',
    { slot: inactive, relays: [relayOf({ unseenSeconds: 4 }), standby()] },
    /^Not streaming: nothing reads the slot\. pod-a.* on pod-a said 4 s ago that it streams: it has ended or lost its connection since\. Slot safe/,
  ],
  [
    'not-streaming',
    'a first start that fails',
    { slot: { state: 'absent' }, relays: [standby({ error: failure() })], progress: null },
    /KAFKA_UNAVAILABLE/,
  ],
  [
    'stopped',
    'a relay that stopped itself',
    { slot: inactive, relays: [relayOf({ state: 'stopped' }, { error: failure() })] },
    /^Not streaming: the relay stopped itself 2 hours ago: .*\(KAFKA_UNAVAILABLE\)/,
  ],
  [
    'stopped',
    'a first relay that stopped itself before it made a slot',
    { slot: { state: 'absent' }, relays: [stopped({ isGone: false }, failure())], progress: null },
    'Not streaming: the relay stopped itself 2 hours ago: connecting to Kafka: no broker answered (KAFKA_UNAVAILABLE).',
  ],
  [
    'no-relay',
    'a relay that died',
    { slot: inactive, relays: [relayOf({ isGone: true, unseenSeconds: 240 })] },
    /^Not streaming for 1 min: no relay runs\. The last one, .*, was seen 4 min ago \(streaming\) and has not said why it ended/,
  ],
  [
    'no-relay',
    'an idle relay that died, whose progress was copied before it was seen last',
    { slot: inactive, relays: [relayOf({ isGone: true, unseenSeconds: 13 })] },
    /^Not streaming for 13 s: no relay runs\. The last one, .*, was seen 13 s ago \(streaming\)/,
  ],
  [
    'no-relay',
    'a relay that died while it failed',
    { slot: inactive, relays: [relayOf({ isGone: true, state: 'standby' }, { error: failure() })] },
    /It failed at that time: connecting to Kafka: no broker answered \(KAFKA_UNAVAILABLE\)\./,
  ],
  [
    'stopped',
    'a relay that stopped itself after another had died while it streamed',
    {
      slot: inactive,
      relays: [
        relayOf({ instance: 'b', isGone: true, seenAt: '2026-01-02T03:00:00.000Z' }),
        stopped({ seenAt: '2026-01-02T03:05:00.000Z' }),
      ],
    },
    /^Not streaming: the relay stopped itself 2 hours ago: .*\(SLOT_INVALIDATED\)/,
  ],
  [
    'not-streaming',
    'a relay that fails since it was started, after none had run',
    {
      slot: inactive,
      relays: [standby({ error: { ...failure(), since: '2026-01-02T03:06:00.678Z' } })],
    },
    /^Not streaming for 1 min: /,
  ],
  [
    'no-relay',
    'a relay that stopped itself, and others have streamed since',
    { slot: inactive, relays: [stopped({}, failure(true))] },
    /^Not streaming for 1 min: no relay runs\. The last one, .*, was seen 1 s ago\. Slot/,
  ],
  [
    'no-relay',
    'a first relay that died before it made a slot',
    { slot: { state: 'absent' }, relays: [relayOf({ isGone: true, state: 'standby' })], progress: null },
    /^Not streaming: no relay runs\. The last one/,
  ],
  [
    'no-relay',
    'no relay at all',
    { slot: inactive, relays: [] },
    /^Not streaming for 1 min: no relay runs\. Slot/,
  ],
  [
    'never-started',
    'a slot that nobody has made',
    { slot: { state: 'absent' }, relays: [], progress: null },
    /no relay has started/,
  ],
  ['slot-lost', 'a slot that is invalidated', { slot: invalidated, relays: [] }, /SLOT_INVALIDATED/],
  [
    'slot-lost',
    'a relay that could not recover by itself, with the decision that it needs',
    { slot: invalidated, relays: [stopped()] },
    `Not streaming: SLOT_INVALIDATED: ${refused.message}.`,
  ],
  [
    'slot-lost',
    'the same after it dropped the slot that it had made',
    { slot: missing, relays: [stopped()] },
    `Not streaming: SLOT_INVALIDATED: ${refused.message}.`,
  ],
  [
    'slot-lost',
    'a slot that was lost after a relay had stopped itself for something else',
    { slot: missing, relays: [stopped({}, failure())] },
    'Not streaming: SLOT_MISSING: slot shop does not exist.',
  ],
  [
    'unknown',
    'a reader of the slot that has not announced itself',
    { relays: [] },
    /^Unknown: something reads the slot \(walsender pid 7\)/,
  ],
  [
    'unknown',
    'a reader of the slot while every relay says that it waits',
    { relays: [standby()] },
    /^Unknown/,
  ],
  [
    'unknown',
    'a reader of the slot after the relay that streamed is gone',
    { relays: [relayOf({ isGone: true })] },
    /^Unknown/,
  ],
];

test.each(cases)('%s: %s', (name, _, more, text) => {
  const verdict = judge(factsOf(more));
  expect(verdict.name).toBe(name);
  if (typeof text === 'string') expect(verdict.text).toBe(text);
  else expect(verdict.text).toMatch(text);
  expect(verdict.isGood).toBe(verdicts[name][0]);
  // Whoever has to look at something is told what to do, or that it takes a moment.
  if (!verdict.isGood && name !== 'starting') expect(verdict.advice).not.toBeNull();
});

test('every verdict has a case', () => {
  expect(new Set(cases.map(([name]) => name))).toEqual(new Set(Object.keys(verdicts)));
});

const findings = { missing: 0, duplicate: 0, leaked: 0, out_of_order: 0, undecodable: 0 };
const audited = {
  findings,
  events: 2,
  compared: 2,
  missingOrRemoved: 0,
  verifiedAt: '2026-01-02T03:00:00.000Z',
  lastRunAt: null,
  heldBack: null,
};

test('the advice of a relay that stopped itself wins over that of the slot', () => {
  expect(judge(factsOf({ slot: missing, relays: [stopped()] })).advice).toMatch(
    /^Run `outbox-relay recover` with this option\. Until then remove no rows/,
  );
});

describe('what a relay said before it stopped itself', () => {
  const seen = (seconds: number) => new Date(Date.parse(at) - seconds * 1_000).toISOString();
  const words = (relays: KnownRelay[], more: Partial<StatusFacts> = { slot: inactive }) =>
    judge(factsOf({ ...more, relays }))
      .concerns.filter(({ name }) => name === 'stopped-before')
      .map(({ text }) => text);

  test.each<[string, KnownRelay[], Partial<StatusFacts>]>([
    ['a standby that has not taken the slot yet', [standby(), stopped()], { slot: inactive }],
    ['one that fails', [standby({ error: failure() }), stopped()], { slot: inactive }],
    ['one that takes the slot', [relayOf({ state: 'fencing' }), stopped()], {}],
    ['one that recovers', [standby({ isRecovering: true }), stopped()], { slot: missing }],
    ['a process that reads the slot', [stopped()], {}],
    ['one that died after it', [relayOf({ instance: 'b', isGone: true }), stopped()], { slot: inactive }],
  ])('is said beside %s', (_, relays, more) => {
    expect(words(relays, more)).toEqual([
      `pod-a/7/1a2b3c4d on pod-a stopped itself 2 hours ago, and no relay has streamed since: ${refused.message} (SLOT_INVALIDATED). ${refused.hint}`,
    ]);
  });

  test('is said once', () => {
    const { text, concerns: more } = judge(factsOf({ slot: inactive, relays: [stopped()] }));
    expect(text).toContain(refused.message);
    expect(more).toEqual([]);
    const beside = judge(factsOf({ slot: inactive, relays: [standby(), stopped()] })).concerns;
    expect(beside.filter(({ text }) => text.includes(refused.message))).toHaveLength(1);
  });

  test('is that of the one that stopped last', () => {
    const earlier = stopped({ instance: 'pod-c/1', seenAt: seen(600) }, failure());
    expect(words([standby(), earlier, stopped({ seenAt: seen(60) })])).toEqual([
      expect.stringContaining('SLOT_INVALIDATED'),
    ]);
  });

  test('is over once a relay streams, or has streamed', () => {
    expect(words([relayOf(), stopped()], {})).toEqual([]);
    expect(words([standby(), stopped({}, { ...refused, isOver: true })])).toEqual([]);
    // One that streamed and is gone proves nothing: its last word may be older.
    expect(words([standby(), relayOf({ isGone: true, instance: 'b' }), stopped()])).toHaveLength(1);
  });
});

test('what happens when Postgres gives up the slot depends on what the relays do then', () => {
  const little = { ...inactive, untilLimitSeconds: 3 * 3_600 };
  const said = (...relays: KnownRelay[]) => judge(factsOf({ slot: little, relays })).concerns[0]?.text;
  expect(said(standby({ whenLost: 'recover' }))).toMatch(
    /^In 3 hours Postgres gives up.*publishes by itself/,
  );
  for (const relays of [[standby()], [standby({ whenLost: 'stop' })], []])
    expect(said(...relays)).toMatch(/The relay then stops, and `outbox-relay recover` publishes/);
});

test('a relay that cannot recover is named beside the lost slot', () => {
  const failing = standby({ isReady: false, error: { ...failure(), code: 'REGISTRY_UNAVAILABLE' } });
  const { concerns: more } = judge(factsOf({ slot: missing, relays: [failing] }));
  expect(more).toEqual([
    expect.objectContaining({ name: 'relay-failing', text: expect.stringContaining('REGISTRY_UNAVAILABLE') }),
  ]);
});

const hangingAt = (owner: TransactionOwner) => ({
  count: 2,
  longest: {
    ...{ topic: 'orders', partition: 2, offset: '41', producerId: '7001', owner },
    since: '2026-01-02T01:06:05.678Z',
  },
});

const concernCases: [keyof typeof concerns, Partial<StatusFacts>, RegExp][] = [
  [
    'dead-letters',
    { deadLetters: [{ code: 'PAYLOAD_INVALID', open: 1_200, oldestAgeSeconds: 10_800 }] },
    /^1,200 dead letters are open, the oldest for 3 hours/,
  ],
  [
    'dead-letters',
    {
      deadLetters: [{ code: 'PAYLOAD_INVALID', open: 2, oldestAgeSeconds: 10_800 }],
      dealtWith: { read: 2, release: 1, resubmit: 1, underWay: 0 },
    },
    /^2 dead letters are open and fixed, the oldest for 3 hours\.$/,
  ],
  [
    'parked-keys',
    { parked: { keys: 3, events: 9 }, setAside: [{ topic: 'orders', keys: 2 }] },
    /^1 key waits/,
  ],
  [
    'set-aside',
    { control: aside, parked: { keys: 2, events: 9 }, setAside: [{ topic: 'orders', keys: 2 }] },
    /^Events of topic orders are set aside by ada for 2 min: upgrade\. 2 keys wait until the topic is resumed\.$/,
  ],
  ['stopped-before', { slot: inactive, relays: [standby(), stopped()] }, /stopped itself 2 hours ago/],
  ['slot-at-risk', { slot: { ...slot, walStatus: 'unreserved' } }, /next checkpoint/],
  ['slot-at-risk', { slot: { ...slot, untilLimitSeconds: 3_000 } }, /^In 50 min Postgres gives up the slot/],
  ['slot-at-risk', { slot: { ...slot, untilDiskSeconds: 3_000 } }, /^In 50 min the disk of Postgres is full/],
  [
    'hanging-transaction',
    { relays: [relayOf({}, { hanging: hangingAt('relay') })] },
    /^Consumers .*: a transaction hangs there\.$/,
  ],
  [
    'relay-failing',
    { relays: [relayOf(), standby({ isReady: false, error: failure() })] },
    /cannot take over/,
  ],
  [
    'relay-down',
    { relays: [relayOf(), relayOf({ instance: 'pod-c/1', isGone: true, unseenSeconds: 240 })] },
    /^pod-c\/1 on pod-a has not been seen for 4 min/,
  ],
  [
    'relay-down',
    { relays: [relayOf(), relayOf({ instance: 'pod-c/1', state: 'stopped' }, { error: failure() })] },
    /^pod-c\/1 on pod-a stopped itself 2 hours ago: .*\(KAFKA_UNAVAILABLE\)/,
  ],
  ['disobeyed', { control: { ...held, revision: 5 } }, /has not confirmed/],
  [
    'config',
    { relays: [relayOf({}, { hasRejectedConfig: true })] },
    /pod-a.* rejected its changed configuration/,
  ],
  ['audit', { audit: { ...audited, findings: { ...findings, out_of_order: 2 } } }, /found 2 out of order/],
  ['audit', { audit: { ...audited, heldBack: 'no progress' } }, /verified nothing: no progress/],
  ['audit', { audit: { ...audited, missingOrRemoved: 1 } }, /no record of 1 event, and cannot tell/],
  ['audit', { audit: { ...audited, compared: 0 } }, /could compare none of the events/],
];

test.each(concernCases)('concern %s', (name, more, text) => {
  const verdict = judge(factsOf(more));
  expect(verdict.concerns.map((concern) => concern.name)).toContain(name);
  expect(verdict.concerns.find((concern) => concern.name === name)?.text).toMatch(text);
  expect(verdict.isGood).toBe(false);
});

test('whose transaction hangs decides what to do, and what a relay that is gone has said is over', () => {
  const advised = (owner: TransactionOwner, more = {}) =>
    judge(factsOf({ relays: [relayOf(more, { hanging: hangingAt(owner) })] })).concerns.find(
      ({ name }) => name === 'hanging-transaction',
    );
  expect(advised('relay')?.text).toContain(
    'past offset 41 of orders/2 for 2 hours, and 1 other partition alike',
  );
  expect(advised('relay')?.advice).toMatch(/^A relay wrote it: do not abort it/);
  expect(advised('other')?.advice).toMatch(/^Another producer wrote it: find its owner/);
  expect(advised('unknown')?.advice).toMatch(/^Whose it is could not be seen: do not abort it/);
  expect(advised('relay', { isGone: true })).toBeUndefined();
});

test('a stream that waits at a held topic does not name a topic that is set aside', () => {
  const control = controlOf([{ topic: 'orders' }, { topic: 'payments', mode: 'set-aside' }], null, 0);
  const verdict = judge(factsOf({ control, relays: [relayOf({}, { isStanding: true })] }));
  expect(verdict.text).toMatch(/paused topic \(orders, by ada for 2 min: upgrade\)/);
  expect(verdict.text).not.toContain('payments');
  expect(verdict).toMatchObject({
    advice: 'Resume the topic when the reason is gone.',
    command: 'outbox-relay resume --topic orders',
  });
});

test('every concern has a case', () => {
  expect(new Set(concernCases.map(([name]) => name))).toEqual(new Set(Object.keys(concerns)));
});

describe('no concern', () => {
  test.each<[string, Partial<StatusFacts>]>([
    ['a day that is left while the stream flows', { slot: { ...slot, untilLimitSeconds: 7_200 } }],
    [
      'a pause that was stored a moment ago',
      { control: { ...controlOf([pauseOf({ topic: 'x', since: factsOf().at })]), revision: 5 } },
    ],
    [
      'a topic that is being released',
      {
        control: controlOf([{ topic: 'orders', mode: 'set-aside', isReleasing: true }], null, 0),
        parked: { keys: 2, events: 3 },
        setAside: [{ topic: 'orders', keys: 2 }],
      },
    ],
    ['an audit that has found nothing', { audit: audited }],
    [
      'a relay that is gone, and in whose place another one has started',
      {
        relays: [
          relayOf({ startedAt: '2026-01-02T02:00:00.000Z' }),
          relayOf({ isGone: true, seenAt: '2026-01-02T01:59:00.000Z' }, { error: failure(), isReady: false }),
        ],
      },
    ],
  ])('%s', (_, more) => {
    expect(judge(factsOf(more))).toMatchObject({ name: 'streaming', isGood: true, concerns: [] });
  });

  test('but hours that are left are one while nothing is published, and a day is none', () => {
    const left = (hours: number) => ({ ...slot, untilLimitSeconds: hours * 3_600 });
    expect(judge(factsOf({ slot: left(2), control: paused })).concerns).toHaveLength(1);
    expect(judge(factsOf({ slot: left(17), control: paused })).concerns).toHaveLength(0);
  });
});

test.each([
  [{ ...slot, untilLimitSeconds: null }, 'How long the slot is safe is not known yet.'],
  [
    { ...slot, untilLimitSeconds: 'never', safeWalBytes: null },
    'Postgres keeps all WAL for the slot; when its disk is full is not known (slot.walDiskBytes).',
  ],
  [{ ...slot, untilLimitSeconds: 'never', untilDiskSeconds: 'never' }, 'Nothing is written to the WAL.'],
  [{ ...slot, untilDiskSeconds: 7_200 }, 'Room on the disk of Postgres for 2 hours if nothing is published.'],
] as const)(
  'while nothing is published, what is known of the slot is said, and what is not known too (%#)',
  (known, text) => {
    expect(judge(factsOf({ slot: known, control: paused })).text.endsWith(text)).toBe(true);
  },
);

describe('the sentence that a person reads first', () => {
  const refused = [{ code: 'PAYLOAD_INVALID', open: 52, oldestAgeSeconds: 3_600 }];
  const rate = ' Other events are published. 1,204 events/s, oldest unpublished event 12 ms.';

  test.each<[string, Partial<StatusFacts>, string]>([
    [
      'what is refused, and how much waits behind it',
      { deadLetters: refused, parked: { keys: 11, events: 1_928 } },
      '52 events are refused (PAYLOAD_INVALID), and 1,928 wait behind them.',
    ],
    [
      'one of each',
      { deadLetters: [{ ...refused[0]!, open: 1 }], parked: { keys: 1, events: 1 } },
      '1 event is refused (PAYLOAD_INVALID), and 1 waits behind it.',
    ],
    [
      'what is fixed, and waits for its release with those behind it',
      {
        deadLetters: refused,
        dealtWith: { read: 52, release: 52, resubmit: 0, underWay: 0 },
        parked: { keys: 11, events: 1_928 },
      },
      '52 events are fixed and wait to be released, and 1,928 wait behind them.',
    ],
    [
      'one that is fixed, and waits to be resubmitted',
      {
        deadLetters: [{ ...refused[0]!, open: 1 }],
        dealtWith: { read: 1, release: 0, resubmit: 1, underWay: 0 },
      },
      '1 event is fixed and waits to be resubmitted.',
    ],
    [
      'what is being released',
      { deadLetters: refused, dealtWith: { read: 52, release: 0, resubmit: 0, underWay: 52 } },
      '52 refused events are being released.',
    ],
    [
      'what waits for different things',
      {
        deadLetters: refused,
        dealtWith: { read: 52, release: 50, resubmit: 1, underWay: 1 },
        parked: { keys: 11, events: 9 },
      },
      '52 events were refused: 50 are fixed and wait to be released, 1 is fixed and waits to be resubmitted, 1 is being released; 9 wait behind them.',
    ],
    [
      'what is refused, and what of it is fixed',
      {
        deadLetters: refused,
        dealtWith: { read: 52, release: 1, resubmit: 0, underWay: 0 },
        parked: { keys: 11, events: 9 },
      },
      '52 events are refused (PAYLOAD_INVALID), of which 1 is fixed and waits to be released; 9 wait behind them.',
    ],
    [
      'what of the oldest is fixed, where not all were looked at',
      {
        deadLetters: [{ ...refused[0]!, open: 1_200 }],
        dealtWith: { read: 1_000, release: 0, resubmit: 1_000, underWay: 0 },
      },
      '1,200 events are refused (PAYLOAD_INVALID), of which at least 1,000 are fixed and wait to be resubmitted.',
    ],
    [
      'what is refused where nothing waits',
      { deadLetters: refused },
      '52 events are refused (PAYLOAD_INVALID).',
    ],
    [
      'the two most frequent causes',
      {
        deadLetters: [
          { ...refused[0]!, open: 1_200 },
          { ...refused[0]!, code: 'SCHEMA_MISSING', open: 3 },
          { ...refused[0]!, code: 'TOPIC_MISSING', open: 1 },
        ],
      },
      '1,204 events are refused (1,200 PAYLOAD_INVALID, 3 SCHEMA_MISSING and 1 other code).',
    ],
    [
      'keys, where events that a person set aside are counted with the others',
      {
        deadLetters: refused,
        parked: { keys: 13, events: 2_000 },
        setAside: [{ topic: 'orders', keys: 2 }],
      },
      '52 events are refused (PAYLOAD_INVALID), and 11 keys wait behind them.',
    ],
    [
      'what nobody has released after a repair',
      { parked: { keys: 11, events: 1_928 } },
      '1,928 events of 11 keys wait to be released.',
    ],
  ])('says %s', (_, more, text) => {
    expect(judge(factsOf(more)).text).toBe(`${text}${rate}`);
  });

  test('leaves out what people set aside: a concern says so', () => {
    const more = { parked: { keys: 2, events: 9 }, setAside: [{ topic: 'orders', keys: 2 }] };
    expect(judge(factsOf({ control: aside, ...more })).text).toMatch(/^Streaming\./);
  });

  test('says how long the slot is safe only where little is left, while events flow', () => {
    const left = (hours: number) => ({ slot: { ...slot, untilLimitSeconds: hours * 3_600 } });
    expect(judge(factsOf(left(23))).text).toMatch(/Slot safe for 23 hours if nothing is published\.$/);
    expect(judge(factsOf(left(24))).text).not.toContain('safe');
    const unknown = { slot: { ...slot, untilLimitSeconds: 'never', untilDiskSeconds: null } } as const;
    expect(judge(factsOf(unknown)).text).not.toContain('WAL');
    const lost = { slot: { ...slot, untilLimitSeconds: null, walStatus: 'unreserved' } } as const;
    expect(judge(factsOf(lost)).text).toMatch(/The slot can be lost at the next checkpoint\.$/);
  });
});

test('what to do and the command that does it are apart, for pages that have a button for it', () => {
  for (const { advice, command } of [
    judge(factsOf({ control: paused })),
    ...judge(
      factsOf({
        control: aside,
        deadLetters: [{ code: 'PAYLOAD_INVALID', open: 1, oldestAgeSeconds: 1 }],
        parked: { keys: 1, events: 1 },
        audit: { ...audited, findings: { ...findings, missing: 1 } },
      }),
    ).concerns,
  ]) {
    expect(advice).toMatch(/^[A-Z][^`]+\.$/);
    expect(command).toMatch(/^outbox-relay /);
  }
});
