import { beforeEach, expect, test } from 'vitest';
import { errorTable, RelayError } from '../../../relay/errors.ts';
import { Health } from '../../../relay/observe/health.ts';
import { controlOf } from '../model/controls.ts';

let nowMs = 0;
let health: Health;

beforeEach(() => {
  nowMs = Date.UTC(2026, 0, 1);
  health = new Health({ notReadyAfterMs: 30_000, now: () => nowMs });
});

const outage = () => new RelayError('KAFKA_UNAVAILABLE', 'no broker answered');

test('a relay that has not arrived anywhere yet is not ready', () => {
  expect(health.ready()).toMatchObject({ ready: false, state: 'standby' });
  health.enter('claiming');
  expect(health.ready()).toMatchObject({ ready: false, state: 'claiming' });
});

test('a streaming relay is ready and says since when', () => {
  nowMs += 5_000;
  health.enter('streaming');
  expect(health.ready()).toEqual({
    ready: true,
    state: 'streaming',
    reason: 'streaming: publishing events',
    since: '2026-01-01T00:00:05.000Z',
  });
});

test('a standby behind an active relay is ready, so that a rolling deploy goes on', () => {
  health.behindPeer();
  nowMs += 3_600_000;
  health.behindPeer();
  expect(health.ready()).toMatchObject({ ready: true, reason: 'standby: another relay is active' });
  expect(health.ready()).not.toHaveProperty('error');
});

test('a failure is shown at once but makes a relay unready only after the stated time', () => {
  health.enter('streaming');
  health.failing(outage());
  health.enter('standby');
  nowMs += 29_999;
  health.failing(outage());
  expect(health.ready()).toMatchObject({ ready: true, error: { code: 'KAFKA_UNAVAILABLE' } });
  nowMs += 1;
  const readiness = health.ready();
  expect(readiness).toMatchObject({ ready: false, reason: 'failing: KAFKA_UNAVAILABLE' });
  expect(readiness.error?.hint).toContain('KAFKA_BROKERS');
  expect(readiness.error?.failingSince).toBe('2026-01-01T00:00:00.000Z');
});

test('a relay that streams and has failed does not say that it publishes, until it does', () => {
  health.enter('streaming');
  health.failing(outage());
  expect(health.ready()).toMatchObject({
    ready: true,
    reason: 'streaming: retrying after KAFKA_UNAVAILABLE',
  });
  health.recovered();
  expect(health.ready()).toMatchObject({ ready: true, reason: 'streaming: publishing events' });
});

test('a relay that cannot ask for the slot says what it retries, and that another one has the slot once it sees that', () => {
  expect(health.ready().reason).toBe('standby: waiting for the replication slot');
  health.enter('streaming');
  health.failing(outage());
  health.enter('standby');
  expect(health.ready()).toMatchObject({ ready: true, reason: 'standby: retrying after KAFKA_UNAVAILABLE' });
  health.waitFor('connecting to Kafka');
  expect(health.ready().reason).toBe('standby: connecting to Kafka');
  health.waitFor(undefined);
  health.behindPeer();
  expect(health.ready()).toMatchObject({ ready: true, reason: 'standby: another relay is active' });
});

test('publishing again ends a failure, and the next one counts from its own start', () => {
  health.enter('streaming');
  health.failing(outage());
  nowMs += 60_000;
  health.enter('streaming');
  expect(health.ready()).toMatchObject({ ready: false, error: { code: 'KAFKA_UNAVAILABLE' } });
  health.recovered();
  expect(health.ready()).not.toHaveProperty('error');
  health.failing(outage());
  expect(health.ready().ready).toBe(true);
});

test('sessions that die again and again make a relay unready, whatever states and peers lie between', () => {
  for (let second = 0; second < 32; second += 2) {
    expect(health.ready().reason).not.toMatch('failing');
    health.enter('fencing');
    health.enter('claiming');
    health.enter('streaming');
    health.failing(new RelayError('SLOT_IN_USE', 'another relay took over slot outbox_relay'), 100);
    health.enter('standby');
    nowMs += 1_000;
    health.behindPeer();
    nowMs += 1_000;
  }
  expect(health.ready()).toMatchObject({ ready: false, reason: 'failing: SLOT_IN_USE' });
  health.recovered(); // the other relay has published
  expect(health.ready()).toMatchObject({ ready: true, reason: 'standby: another relay is active' });
});

test('a session that was taken over once makes no relay unready, nor does what failed before a peer took over', () => {
  health.enter('streaming');
  health.failing(new RelayError('PRODUCER_FENCED', 'another relay took over'));
  health.enter('standby');
  for (let second = 0; second < 120; second++) {
    health.behindPeer();
    nowMs += 1_000;
    expect(health.ready().ready).toBe(true);
  }
  expect(health.ready()).not.toHaveProperty('error');
});

test('a draining relay is not ready but alive', () => {
  health.enter('streaming');
  health.enter('draining');
  expect(health.ready().ready).toBe(false);
  expect(health.live()).toEqual({ live: true, reason: 'draining' });
});

test('an outage never makes a relay dead', () => {
  health.failing(outage());
  nowMs += 86_400_000;
  expect(health.live().live).toBe(true);
});

test('a relay that stopped itself is neither alive nor ready, whatever comes after', () => {
  health.enter('streaming');
  health.stopped(new RelayError('SLOT_MISSING', 'slot is gone'));
  health.enter('draining');
  health.recovered();
  expect(health.live()).toEqual({ live: false, reason: 'stopped: SLOT_MISSING' });
  expect(health.ready()).toMatchObject({ ready: false, reason: 'stopped: SLOT_MISSING' });
});

test('what is retried is told by whom it concerns: since when, which attempt, when the next one is', () => {
  health.enter('streaming');
  health.failing(outage(), 4_000);
  nowMs += 1_000;
  health.failing(new RelayError('REGISTRY_UNAVAILABLE', 'status 503'), 100);
  const kafka = {
    dependency: 'kafka',
    code: 'KAFKA_UNAVAILABLE',
    breaker: 'open',
    since: '2026-01-01T00:00:00.000Z',
    attempt: 1,
    nextAttemptInMs: 3_000,
  };
  expect(health.ready().retrying).toEqual([
    kafka,
    expect.objectContaining({ dependency: 'registry', attempt: 1, nextAttemptInMs: 100 }),
  ]);
  nowMs += 3_000;
  expect(health.ready().retrying?.[0]).toMatchObject({ breaker: 'half_open', nextAttemptInMs: 0 });
  health.failing(new RelayError('PUBLISH_UNCERTAIN', 'no answer'), 500);
  expect(health.ready().retrying?.[0]).toEqual({
    ...kafka,
    code: 'PUBLISH_UNCERTAIN',
    attempt: 2,
    nextAttemptInMs: 500,
  });
  health.recovered();
  expect(health.ready()).not.toHaveProperty('retrying');
});

test('a relay that waits for its peer retries nothing', () => {
  health.failing(outage(), 1_000);
  health.behindPeer();
  expect(health.ready()).not.toHaveProperty('retrying');
});

test('every code that is retried is laid to a server, but for credentials, which come from elsewhere, and for what the relay itself does not understand', () => {
  const retried = Object.entries(errorTable).filter(([, entry]) => entry.class === 'retry');
  const ofNobody = retried.filter(([, entry]) => entry.dependency === 'relay').map(([code]) => code);
  expect(ofNobody).toEqual(['CREDENTIALS_UNAVAILABLE', 'ENCODING_UNCLEAR']);
});

test('a stream that waits at an event of a paused topic says so, stays ready, and forgets it with the session', () => {
  health.enter('streaming');
  health.held(true);
  expect(health.ready()).toMatchObject({
    ready: true,
    reason: 'streaming: waiting at an event of a paused topic',
  });
  health.held(false);
  expect(health.ready().reason).toBe('streaming: publishing events');
  health.held(true);
  health.enter('standby');
  health.enter('streaming');
  expect(health.ready().reason).toBe('streaming: publishing events');
});

const words = {
  instance: 'pod-a/7/1a2b3c4d',
  host: 'pod-a',
  at: '2026-01-01T00:00:00.000Z',
  code: 'SLOT_INVALIDATED',
  message: 'slot shop is lost. The relay cannot recover by itself',
  hint: 'Decide.',
};

test('what stopped another relay is said until one streams', () => {
  health.heardLastWords(words);
  expect(health.ready().stoppedBefore).toEqual(words);
  health.enter('fencing');
  expect(health.ready().stoppedBefore).toEqual(words);
  health.enter('streaming');
  expect(health.ready()).not.toHaveProperty('stoppedBefore');
  // Read before, and heard after it.
  health.heardLastWords(words);
  health.enter('standby');
  expect(health.ready()).not.toHaveProperty('stoppedBefore');
  health.heardLastWords(words);
  health.heardLastWords(null);
  expect(health.ready()).not.toHaveProperty('stoppedBefore');
});

test('a pause has the scope that its metric has', () => {
  health.controlled(controlOf([{}, { topic: 'orders' }, { topic: 'items', mode: 'set-aside' }]));
  expect(health.ready().paused).toMatchObject([
    { scope: 'relay', topic: null, mode: 'hold' },
    { scope: 'hold', topic: 'orders', mode: 'hold' },
    { scope: 'set-aside', topic: 'items', mode: 'set-aside' },
  ]);
});
