import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { logListener } from '../../../relay/observe/log-listener.ts';
import type { RelayObserver } from '../../../relay/observe/observer.ts';
import { committedSample, progressSample, sampledSample, slotSample } from './fact-samples.ts';

type Line = Record<string, unknown> & { readonly level: string; readonly msg: string };

function listen(level = 'info') {
  const lines: Line[] = [];
  const components: string[] = [];
  const clock = { ms: 0 };
  const log = pino(
    { level, base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    {
      write(line: string) {
        const { component, ...rest } = JSON.parse(line);
        lines.push(rest);
        components.push(component);
      },
    },
  );
  const hears = logListener(componentLogs(log), () => clock.ms).hears as Required<RelayObserver>;
  return { hears, lines, components, clock };
}

test('a state is one line, and that of streaming says from where', () => {
  const { hears, lines } = listen();
  hears.entered({ state: 'standby', before: undefined });
  hears.entered({ state: 'streaming', before: 'lineage' });
  hears.sessionBegun({ progress: progressSample, lineage: 'same', transactionVersion: 2 });
  expect(lines).toEqual([
    { level: 'info', state: 'standby', msg: 'standby' },
    {
      ...{ level: 'info', state: 'streaming', from: '16/0', events: 12, lineage: 'same' },
      ...{ transactionVersion: 2, msg: 'streaming' },
    },
  ]);
});

test('a change of the transaction protocol is one line', () => {
  const { hears, lines, components } = listen();
  hears.protocolChanged({ transactionVersion: 1, before: 2 });
  expect(lines).toMatchObject([{ level: 'info', transactionVersion: 1, before: 2 }]);
  expect(lines[0]?.msg).toMatch(/goes on with Kafka's transaction protocol 1: transaction.version/);
  expect(components).toEqual(['publish']);
});

test('each line names the component that it is about', () => {
  const { hears, components } = listen('debug');
  const failure = new RelayError('KAFKA_UNAVAILABLE', 'gone');
  hears.entered({ state: 'standby', before: undefined });
  hears.slotCreating({});
  hears.schemasDistrusted({ schemaId: 7, subject: 'order-value' });
  hears.tailFailed({ failure });
  const refused = { commitLsn: 1n, ordinal: 0, code: 'PAYLOAD_INVALID', topic: 'orders' } as const;
  hears.deadLettered({ events: [refused] });
  hears.recovering({ stage: 'topics', done: 0, total: 1 });
  hears.dutyFailed({ duty: 'purge', failure, retryInMs: 5 });
  expect(components).toEqual(['relay', 'capture', 'encode', 'publish', 'refusals', 'recover', 'upkeep']);
});

test('a retry says what failed and what the relay does', () => {
  const { hears, lines } = listen();
  const failure = new RelayError('KAFKA_UNAVAILABLE', 'gone');
  hears.retried({ doing: 'session', failure, retryInMs: 5 });
  hears.retried({ doing: 'release', failure, retryInMs: 5 });
  expect(lines.map(({ msg }) => msg)).toEqual([
    'session failed, returning to standby',
    'release failed, retrying',
  ]);
});

test('a failure that repeats is three lines, then one a minute; another kind is a line at once', () => {
  const { hears, lines, clock } = listen();
  const fail = (code: 'KAFKA_UNAVAILABLE' | 'POSTGRES_UNAVAILABLE') =>
    hears.retried({ doing: 'session', failure: new RelayError(code, 'gone'), retryInMs: 5 });
  for (clock.ms = 0; clock.ms < 120_000; clock.ms += 10_000) fail('KAFKA_UNAVAILABLE');
  expect(lines.map(({ leftOut }) => leftOut)).toEqual([undefined, undefined, undefined, 5]);
  fail('POSTGRES_UNAVAILABLE');
  expect(lines).toHaveLength(5);
  // It worked: the next one is a new one.
  hears.committed(committedSample());
  fail('KAFKA_UNAVAILABLE');
  expect(lines).toHaveLength(6);
});

describe('what fails beside a session that is only beginning', () => {
  const refused = (doing: string, answer = 'no such password') =>
    new RelayError('POSTGRES_UNAUTHORIZED', `${doing}: ${answer}`, { cause: new Error(answer) });
  const begin = () => {
    const { hears, lines } = listen();
    // What was done, without the answer: pino adds the message of the cause.
    const said = () => lines.map(({ msg, err }) => (err as Error | undefined)?.message.split(':')[0] ?? msg);
    hears.entered({ state: 'standby', before: undefined });
    hears.dutyFailed({ duty: 'announce', failure: refused('announcing'), retryInMs: 5 });
    hears.walUnmeasured({ failure: refused('measuring'), retryInMs: 5 });
    expect(said()).toEqual(['standby']);
    return { hears, said };
  };

  test('is one line if it is what stops the relay, before and after', () => {
    const { hears, said } = begin();
    hears.stopped({ failure: refused('looking') });
    hears.dutyFailed({ duty: 'announce', failure: refused('announcing again'), retryInMs: 5 });
    expect(said()).toEqual(['standby', 'looking']);
  });

  test('is said if the relay stops for something else, before or after', () => {
    const { hears, said } = begin();
    hears.stopped({ failure: refused('looking', 'no such right') });
    hears.dutyFailed({ duty: 'other', failure: refused('doing', 'no such role'), retryInMs: 5 });
    expect(said()).toEqual(['standby', 'announcing', 'measuring', 'looking', 'doing']);
  });

  test.each<[string, (hears: Required<RelayObserver>) => void]>([
    [
      'the session fails and is tried again',
      (hears) =>
        hears.retried({
          doing: 'session',
          failure: new RelayError('KAFKA_UNAVAILABLE', 'gone'),
          retryInMs: 5,
        }),
    ],
    ['a step takes long', (hears) => hears.waited({ doing: 'connecting', waitedMs: 5_000 })],
    ['another relay is active', (hears) => hears.peerSeen({ activePid: 1, hasPublished: true })],
    ['the slot is made', (hears) => hears.slotCreating({})],
    ['it streams', (hears) => hears.entered({ state: 'streaming', before: 'lineage' })],
    ['it recovers', (hears) => hears.entered({ state: 'recovering', before: 'standby' })],
    ['it drains', (hears) => hears.entered({ state: 'draining', before: 'standby' })],
  ])('is said once %s', (_, happens) => {
    const { hears, said } = begin();
    happens(hears);
    expect(said().filter((line) => line === 'announcing' || line === 'measuring')).toEqual([
      'announcing',
      'measuring',
    ]);
  });

  test('waits in each session that begins, and nothing waits in one that goes on', () => {
    const { hears, said } = begin();
    hears.entered({ state: 'streaming', before: 'lineage' });
    hears.dutyFailed({ duty: 'b', failure: refused('b'), retryInMs: 5 });
    expect(said().at(-1)).toBe('b');
    hears.entered({ state: 'standby', before: 'streaming' });
    hears.dutyFailed({ duty: 'c', failure: refused('c'), retryInMs: 5 });
    hears.dutyFailed({ duty: 'd', failure: new RelayError('POSTGRES_UNAVAILABLE', 'gone'), retryInMs: 5 });
    expect(said().at(-1)).toBe('gone');
    hears.stopped({ failure: refused('looking') });
    expect(said().at(-1)).toBe('looking');
    expect(said()).not.toContain('c');
  });
});

test('a duty that fails again and again does not fill the log either', () => {
  const { hears, lines, clock } = listen();
  const failure = new RelayError('POSTGRES_UNAVAILABLE', 'gone');
  for (clock.ms = 0; clock.ms < 60_000; clock.ms += 1_000)
    hears.dutyFailed({ duty: 'slot_health', failure, retryInMs: 1_000 });
  expect(lines).toHaveLength(3);
  hears.dutyDone({ duty: 'slot_health' });
  hears.dutyFailed({ duty: 'slot_health', failure, retryInMs: 1_000 });
  expect(lines).toHaveLength(4);
});

describe('dead letters', () => {
  const refused = (ordinal: number, code: 'PAYLOAD_INVALID' | 'SCHEMA_MISSING' | 'KEY_PARKED') => ({
    commitLsn: 0x1_0000_0010n,
    ordinal,
    code,
    topic: 'orders',
  });

  test('of a batch are one line, with codes and the first position', () => {
    const { hears, lines } = listen();
    const events = [refused(2, 'PAYLOAD_INVALID'), refused(3, 'KEY_PARKED'), refused(4, 'PAYLOAD_INVALID')];
    hears.deadLettered({ events });
    expect(lines).toEqual([
      {
        level: 'warn',
        deadLetters: 3,
        codes: { PAYLOAD_INVALID: 2, KEY_PARKED: 1 },
        firstPosition: '0000000100000010.00000002',
        msg: 'stored dead letters',
      },
    ]);
  });

  test('that only wait behind an earlier one are a line for debugging', () => {
    const { hears, lines } = listen('debug');
    hears.deadLettered({ events: [refused(0, 'KEY_PARKED')] });
    expect(lines.map(({ level }) => level)).toEqual(['debug']);
  });
});

describe('once a minute', () => {
  const minute = ({ hears, clock }: ReturnType<typeof listen>, sample = sampledSample()) => {
    clock.ms += 59_999;
    hears.sampled(sample);
    clock.ms += 1;
    hears.sampled(sample);
  };

  test('the work of the minute is logged, with the lag', () => {
    const scene = listen();
    const { hears, lines } = scene;
    hears.slotSeen(slotSample({ writtenLsn: 107n }));
    hears.committed(committedSample({ events: 3, bytes: 300, deadLetters: 1, committedAtMs: [1, 2] }));
    hears.committed(committedSample({ events: 2, bytes: 200, committedAtMs: [3] }));
    hears.committed(committedSample({ bytes: 150 }));
    minute(scene);
    expect(lines).toEqual([
      {
        level: 'info',
        events: 5,
        transactions: 3,
        bytes: 500,
        deadLetters: 1,
        lagBytes: 7,
        lagMs: 0,
        msg: 'work of the last minute',
      },
    ]);
  });

  test('a stream without events is one line, until it has some again', () => {
    const scene = listen();
    const { hears, lines } = scene;
    for (let n = 0; n < 3; n++) minute(scene);
    hears.committed(committedSample({ events: 1, committedAtMs: [1] }));
    for (let n = 0; n < 3; n++) minute(scene);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'idle: no events',
      'work of the last minute',
      'idle: no events',
    ]);
  });

  test('events that wait are no idleness', () => {
    const scene = listen();
    const stream = { progressLsn: 1n, serverLsn: 1n, oldestMs: 90_000, isReadingOn: true };
    minute(scene, sampledSample({ stream }));
    expect(scene.lines).toMatchObject([{ events: 0, lagMs: 90_000, msg: 'work of the last minute' }]);
  });

  test('a standby says nothing', () => {
    const scene = listen();
    minute(scene, sampledSample({ state: 'standby', stream: undefined }));
    expect(scene.lines).toEqual([]);
  });
});

test('another active relay is logged once, and again after a failure', () => {
  const { hears, lines } = listen();
  const peer = { activePid: 7, hasPublished: true };
  hears.peerSeen(peer);
  hears.peerSeen(peer);
  hears.retried({ doing: 'session', failure: new RelayError('KAFKA_UNAVAILABLE', ''), retryInMs: 1 });
  hears.peerSeen(peer);
  expect(lines.map(({ msg }) => msg)).toEqual([
    'standby: another relay is active',
    'session failed, returning to standby',
    'standby: another relay is active',
  ]);
});

test('a doubt about the table is logged once a process', () => {
  const { hears, lines } = listen();
  for (let n = 0; n < 3; n++) hears.tableDoubted({ message: 'it is odd', fix: 'mend it' });
  expect(lines).toEqual([{ level: 'warn', fix: 'mend it', msg: 'it is odd' }]);
});

test('throttling is logged every ten seconds at most', () => {
  const { hears, lines, clock } = listen();
  for (clock.ms = 0; clock.ms < 20_000; clock.ms += 1_000)
    hears.throttled({ throttleMs: 100, broker: 'b:9092', clientId: 'relay' });
  expect(lines).toHaveLength(2);
});

test('what cleanup removed is a line, and a reason to keep is said once, until it has passed', () => {
  const { hears, lines } = listen();
  const nothing = { partitions: 0, rows: 0, bytes: 0, unused: 0 };
  hears.cleanedUp({ ...nothing, kept: { retention: 8, uncovered: 1 } });
  hears.cleanedUp({ ...nothing, kept: { retention: 8, uncovered: 1 } });
  hears.cleanedUp({ ...nothing, partitions: 1, rows: 3, bytes: 8_192, kept: { retention: 8 } });
  hears.cleanedUp({ ...nothing, kept: { uncovered: 2 } });
  expect(lines).toEqual([
    { level: 'info', reason: 'uncovered', partitions: 1, msg: expect.stringMatching(/^cleanup leaves/) },
    { level: 'info', partitions: 1, rows: 3, bytes: 8_192, msg: 'removed published rows' },
    { level: 'info', reason: 'uncovered', partitions: 2, msg: expect.stringMatching(/^cleanup leaves/) },
  ]);
});

test('a configuration that was invalid is said to be valid again, once', () => {
  const { hears, lines } = listen();
  const fine = { applied: [], needRestart: [] };
  hears.configRead({ result: 'unchanged', ...fine });
  hears.configRead({ result: 'rejected', failure: new RelayError('CONFIG_INVALID', 'no') });
  hears.configRead({ result: 'unchanged', ...fine });
  hears.configRead({ result: 'applied', applied: ['log.level'], needRestart: [] });
  expect(lines.map(({ msg }) => msg)).toEqual([
    'no setting changed that applies now',
    expect.stringMatching(/^the configuration is invalid/),
    'the configuration is valid again; no setting changed that applies now',
    'settings changed',
  ]);
});
