/** What a relay says of itself in Postgres, and what of it stays when it has stopped. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TcpProxy } from '../../../harness/tcp-proxy.ts';
import type { Config } from '../../../relay/config/config.ts';
import { RelayError } from '../../../relay/errors.ts';
import { readRelays } from '../../../relay/ledger/relays.ts';
import { withResolvers } from '../../../relay/model/builtins.ts';
import type { LastWords } from '../../../relay/model/last-words.ts';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { createLogger } from '../../../relay/observe/log.ts';
import { Announcer, type AnnouncerOptions } from '../../../relay/operations/announce.ts';
import { runRelay } from '../../../relay/operations/run.ts';
import { unique } from '../../support/unique.ts';
import { openRelayDatabase, type RelayDatabase } from '../commands/outbox.ts';
import { committedSample, progressSample, sampledSample } from '../observe/fact-samples.ts';

let relay: RelayDatabase;
beforeAll(async () => {
  relay = await openRelayDatabase();
});
afterAll(() => relay[Symbol.asyncDispose]());

/** Each test has a slot of its own. */
const settings = () => ({ OUTBOX_RELAY_SLOT: unique('slot') });

function announcerOf(config: Config, instance: string, more: Partial<AnnouncerOptions> = {}) {
  const announcer = new Announcer({
    config,
    instance,
    health: { ready: () => ({ ready: true, reason: 'as it is' }) },
    onFailure: () => {},
    ...more,
  });
  return { announcer, hears: announcer.listener.hears };
}

const lost = new RelayError('SLOT_INVALIDATED', 'slot x is lost', { hint: 'Decide.' });

const known = ({ slot }: Config) => readRelays(relay.pool, slot.name);
const poll = (config: Config) => expect.poll(() => known(config), { interval: 20 });

test('a relay names the settings that wait for a restart, also after it has rejected others', async () => {
  const config = relay.config(settings());
  const { announcer, hears } = announcerOf(config, 'one');
  hears.configRead?.({ result: 'applied', applied: [], needRestart: ['kafka.brokers'] });
  hears.configRead?.({ result: 'rejected', failure: new RelayError('CONFIG_INVALID', 'no') });
  announcer.start('');
  await poll(config).toMatchObject([
    { facts: { hasRejectedConfig: true, needRestart: ['kafka.brokers'], whenLost: 'stop' } },
  ]);
  await announcer.end();
  expect(await known(config)).toEqual([]);
});

test('a relay says which transaction protocol it uses, while it streams', async () => {
  const config = relay.config(settings());
  const { announcer, hears } = announcerOf(config, 'one');
  announcer.start('');
  await poll(config).toMatchObject([{ facts: { transactionVersion: null } }]);
  hears.entered?.({ state: 'streaming', before: 'lineage' });
  hears.sessionBegun?.({ progress: progressSample, lineage: 'same', transactionVersion: 2 });
  await poll(config).toMatchObject([{ facts: { transactionVersion: 2 } }]);
  hears.protocolChanged?.({ transactionVersion: 1, before: 2 });
  await poll(config).toMatchObject([{ facts: { transactionVersion: 1 } }]);
  hears.entered?.({ state: 'standby', before: 'streaming' });
  await poll(config).toMatchObject([{ facts: { transactionVersion: null } }]);
  await announcer.end();
});

describe('what fails', () => {
  const away = new RelayError('POSTGRES_UNAVAILABLE', 'connecting: refused');
  const errorOf = async (config: Config) => (await known(config))[0]?.facts.error;
  /** Sooner than the next announcement that comes by itself. */
  const soon = (config: Config) => expect.poll(() => errorOf(config), { interval: 20, timeout: 2_000 });

  async function streamingAfterFailure(config: Config) {
    const { announcer, hears } = announcerOf(config, 'one');
    announcer.start('');
    hears.entered?.({ state: 'streaming', before: 'lineage' });
    hears.sampled?.(sampledSample());
    hears.retried?.({ doing: 'session', failure: away, retryInMs: 10 });
    hears.entered?.({ state: 'standby', before: 'streaming' });
    await soon(config).toMatchObject({ code: 'POSTGRES_UNAVAILABLE', isOver: false });
    hears.entered?.({ state: 'streaming', before: 'lineage' });
    await expect.poll(async () => (await known(config))[0]?.state, { interval: 20 }).toBe('streaming');
    return { announcer, hears };
  }

  test('is over as soon as the stream has brought the heartbeat of the session and nothing waits, and is not before', async () => {
    const config = relay.config(settings());
    const { announcer, hears } = await streamingAfterFailure(config);
    hears.sampled?.(sampledSample());
    await expect.poll(async () => (await known(config))[0]?.facts.lagMs, { interval: 20 }).toBe(0);
    expect(await errorOf(config)).toMatchObject({ isOver: false });
    hears.heartbeatReturned?.({ beat: 1, roundTripMs: 3 });
    const stream = { progressLsn: 100n, serverLsn: 100n, oldestMs: 5, isReadingOn: true };
    hears.sampled?.(sampledSample({ stream, inFlightEvents: 1 }));
    hears.protocolChanged?.({ transactionVersion: 1, before: 2 });
    await poll(config).toMatchObject([
      { facts: { transactionVersion: 1, lagMs: 5, error: { isOver: false } } },
    ]);
    hears.sampled?.(sampledSample());
    await soon(config).toMatchObject({ isOver: true });
    await announcer.end();
  });

  test('is over at once when something is published, or when the relay has recovered from a lost slot', async () => {
    const config = relay.config(settings());
    const { announcer, hears } = await streamingAfterFailure(config);
    hears.committed?.(committedSample());
    await soon(config).toMatchObject({ isOver: true });
    hears.retried?.({ doing: 'session', failure: lost, retryInMs: 10 });
    await soon(config).toMatchObject({ code: lost.code, isOver: false });
    hears.recoveryEnded?.({ outcome: 'recovered', published: 1, deadLettered: 0, tookMs: 5 });
    await soon(config).toMatchObject({ isOver: true });
    await announcer.end();
  });

  test('counts from where it began while nothing is published between two failures of a kind', async () => {
    const config = relay.config(settings());
    const { announcer, hears } = await streamingAfterFailure(config);
    const { since } = (await errorOf(config))!;
    hears.heartbeatReturned?.({ beat: 1, roundTripMs: 3 });
    hears.sampled?.(sampledSample());
    await soon(config).toMatchObject({ isOver: true });
    hears.retried?.({ doing: 'session', failure: away, retryInMs: 10 });
    await soon(config).toMatchObject({ isOver: false, since });
    hears.committed?.(committedSample());
    await soon(config).toMatchObject({ isOver: true });
    hears.retried?.({ doing: 'session', failure: away, retryInMs: 10 });
    await soon(config).toMatchObject({ isOver: false });
    expect((await errorOf(config))?.since).not.toBe(since);
    await announcer.end();
  });
});

test('a standby announces itself again as soon as Postgres answers', async () => {
  await using proxy = await TcpProxy.before(relay.url);
  const config = relay.config({ ...settings(), DATABASE_URL: proxy.through(relay.env.DATABASE_URL!) });
  const failed = withResolvers<RelayError>();
  const { announcer, hears } = announcerOf(config, 'one', { onFailure: failed.resolve });
  announcer.start('');
  await poll(config).toHaveLength(1);
  proxy.shut();
  await failed.promise;
  const [before] = await known(config);
  proxy.calm();
  hears.peerSeen?.({ activePid: 7, hasPublished: false });
  // It would try again by itself after 15 s.
  const seen = expect.poll(async () => (await known(config))[0]?.seenAt, { timeout: 6_000 });
  await seen.not.toBe(before?.seenAt);
  await announcer.end();
});

test('a relay says goodbye to a Postgres that is slow, too', async () => {
  await using proxy = await TcpProxy.before(relay.url);
  const config = relay.config({ ...settings(), DATABASE_URL: proxy.through(relay.env.DATABASE_URL!) });
  // The first round does more after it has looked.
  const looked = withResolvers<void>();
  let looks = 0;
  const onLastWords = () => void (++looks === 2 && looked.resolve());
  const { announcer } = announcerOf(config, 'one', { onLastWords });
  announcer.start('');
  await looked.promise;
  // Longer than a second for the goodbye and another one to close.
  proxy.latencyMs = 2_500;
  await announcer.end();
  expect(await known(config)).toEqual([]);
});

test('what stopped a relay is there at once, reaches the others, and is over when one of them streams', async () => {
  const config = relay.config(settings());
  const first = announcerOf(config, 'first');
  first.announcer.start('');
  await poll(config).toMatchObject([{ state: 'standby' }]);
  first.hears.stopped?.({ failure: lost });
  // Before it has closed anything: somebody may kill it then.
  const error = { code: 'SLOT_INVALIDATED', message: 'slot x is lost', hint: 'Decide.', isOver: false };
  await poll(config).toMatchObject([{ state: 'stopped', facts: { error } }]);

  const heard = withResolvers<LastWords | null>();
  const second = announcerOf(config, 'second', { onLastWords: heard.resolve });
  second.announcer.start('');
  expect(await heard.promise).toMatchObject({ instance: 'first', code: 'SLOT_INVALIDATED', hint: 'Decide.' });
  second.hears.entered?.({ state: 'streaming', before: 'lineage' });
  const isOver = async () =>
    (await known(config)).find(({ instance }) => instance === 'first')?.facts.error?.isOver;
  await expect.poll(isOver, { interval: 20 }).toBe(true);

  // Its goodbye comes late, while another one streams, and that one ends before it looks again.
  await first.announcer.end();
  second.hears.entered?.({ state: 'draining', before: 'streaming' });
  await second.announcer.end();
  expect(await isOver()).toBe(true);
});

test('a relay that ends without having streamed takes back nothing', async () => {
  const config = relay.config(settings());
  const first = announcerOf(config, 'first');
  first.announcer.start('');
  first.hears.stopped?.({ failure: lost });
  await first.announcer.end();
  const second = announcerOf(config, 'second');
  second.announcer.start('');
  await poll(config).toHaveLength(2);
  second.hears.entered?.({ state: 'draining', before: 'standby' });
  await second.announcer.end();
  expect(await known(config)).toMatchObject([{ instance: 'first', facts: { error: { isOver: false } } }]);
});

test('a relay that cannot start says why, although it has no port', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const config = relay.config({ ...settings(), OUTBOX_RELAY_HTTP_PORT: String(port) });
  const loaded = { config, file: undefined, load: () => config };
  const logs = componentLogs(createLogger('fatal'));
  try {
    await expect(runRelay(loaded, logs, new AbortController().signal)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  } finally {
    taken.close();
  }
  const error = { code: 'CONFIG_INVALID', message: expect.stringContaining('http.port is in use') };
  expect(await known(config)).toMatchObject([{ state: 'stopped', facts: { error } }]);
});

test('a password that Postgres refuses is one message, although several ask with it', async () => {
  const url = new URL(relay.env.DATABASE_URL!);
  url.password = 'wrong';
  const config = relay.config({ ...settings(), DATABASE_URL: url.href, OUTBOX_RELAY_HTTP_PORT: '0' });
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logs = componentLogs(createLogger('warn', { tty: false, destination }));
  const loaded = { config, file: undefined, load: () => config };
  const code = 'POSTGRES_UNAUTHORIZED';
  await expect(runRelay(loaded, logs, new AbortController().signal)).rejects.toMatchObject({ code });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 'fatal', err: { code } }]);
});

test('what stopped a relay is stored although Postgres is away for a moment then', async () => {
  await using proxy = await TcpProxy.before(relay.url);
  const config = relay.config({ ...settings(), DATABASE_URL: proxy.through(relay.env.DATABASE_URL!) });
  const failed = withResolvers<RelayError>();
  const { announcer, hears } = announcerOf(config, 'one', { onFailure: failed.resolve });
  announcer.start('');
  await poll(config).toHaveLength(1);
  proxy.shut();
  hears.stopped?.({ failure: lost });
  expect((await failed.promise).code).toBe('POSTGRES_UNAVAILABLE');
  const before = proxy.connections;
  const ended = announcer.end();
  await expect.poll(() => proxy.connections, { timeout: 4_000, interval: 5 }).toBeGreaterThan(before);
  proxy.calm();
  await ended;
  expect(await known(config)).toMatchObject([
    { state: 'stopped', facts: { error: { code: 'SLOT_INVALIDATED' } } },
  ]);
});

test('words of any size, and with what jsonb refuses, are stored', async () => {
  const config = relay.config(settings());
  const text = `\u0000${'\ud83d\ude00'.repeat(10_000)}\ud83d`;
  const { announcer, hears } = announcerOf(config, 'one', {
    health: { ready: () => ({ ready: false, reason: text }) },
  });
  announcer.start('');
  hears.stopped?.({ failure: new RelayError('INTERNAL', text, { hint: text }) });
  await announcer.end();
  const [{ facts }] = (await known(config)) as [Awaited<ReturnType<typeof known>>[number]];
  expect(facts.error?.message).toMatch(/^·(\u{1f600})+…$/u);
});
