/** Every rule of who may ask, without a server. */
import { EventEmitter } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import {
  forgeryOf,
  isForeignRead,
  isOurHost,
  withoutPrefix,
} from '../../../../console/server/access/requests.ts';
import { Attempts, Sessions } from '../../../../console/server/access/sessions.ts';
import { Streams } from '../../../../console/server/access/streams.ts';
import {
  clientOf,
  isTrusted,
  personOf,
  personOfProxy,
  roleOfProxy,
  roleOfToken,
  visitorOf,
} from '../../../../console/server/access/visitor.ts';

describe('hosts', () => {
  const ours = { host: 'relay-box', hosts: ['Relay.Example.com'] };

  test.each([
    '127.0.0.1',
    '127.0.0.1:9467',
    '10.1.2.3:80',
    '[::1]:9467',
    'localhost:9467',
    'LOCALHOST',
    'relay-box:9467',
    'relay.example.com',
    'RELAY.example.com:443',
  ])('%s is ours', (host) => expect(isOurHost(ours, host)).toBe(true));

  test.each([
    '',
    'evil.example',
    'relay.example.com.evil.example',
    'evil.example:9467',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'evil@127.0.0.1',
    '127.0.0.1/evil',
    '127.0.0.1?x',
    '127.0.0.1:99999',
    'a b',
    '[::1',
  ])('%j is not', (host) => expect(isOurHost(ours, host)).toBe(false));
});

describe('requests that change something', () => {
  const page = {
    host: '127.0.0.1:9467',
    origin: 'http://127.0.0.1:9467',
    fetchSite: 'same-origin',
    contentType: 'application/json',
  };
  const none = { origin: undefined, fetchSite: undefined };

  test.each([
    ['our page', {}],
    ['our page in a browser that says less', { fetchSite: undefined }],
    ['a program without a browser', none],
    ['a charset', { contentType: 'application/json; charset=utf-8' }],
    ['the default port', { host: 'relay.example.com:80', origin: 'http://relay.example.com' }],
    ['TLS that a proxy ends', { host: 'relay.example.com', origin: 'https://relay.example.com' }],
    ['another case', { host: 'LOCALHOST:9467', origin: 'http://localhost:9467' }],
    ['a proxy that changes the host', { host: '10.0.0.7:9467', origin: 'https://relay.example.com' }],
  ])('%s is heard', (_, change) => {
    expect(forgeryOf({ ...page, ...change }, ['Relay.example.com'])).toBeUndefined();
  });

  test.each([
    ['another site', { fetchSite: 'cross-site' }],
    ['another port of this machine, as the browser says', { fetchSite: 'same-site' }],
    ['another port of this machine', { ...none, origin: 'http://127.0.0.1:8080' }],
    ['another origin', { ...none, origin: 'https://evil.example' }],
    ['a frame without origin', { ...none, origin: 'null' }],
    ['a file', { ...none, origin: 'file://127.0.0.1:9467' }],
    ['an extension', { ...none, origin: 'chrome-extension://relay.example.com' }],
    ['no URL', { ...none, origin: 'x' }],
    ['a form', { ...none, contentType: 'application/x-www-form-urlencoded' }],
    ['a form with a file', { ...none, contentType: 'multipart/form-data; boundary=x' }],
    ['text', { ...none, contentType: 'text/plain' }],
    ['text that names JSON', { ...none, contentType: 'text/plain; application/json' }],
    ['a type that begins like it', { ...none, contentType: 'application/json-evil' }],
    ['no type', { ...none, contentType: undefined }],
  ])('%s is refused', (_, change) => {
    expect(forgeryOf({ ...page, ...change }, ['relay.example.com'])).toEqual(expect.any(String));
  });

  test('pages of another site may not read either', () => {
    for (const own of [undefined, 'none', 'same-origin']) expect(isForeignRead(own)).toBe(false);
    // The last one came twice.
    for (const foreign of ['same-site', 'cross-site', '', 'same-origin, cross-site'])
      expect(isForeignRead(foreign)).toBe(true);
  });
});

test.each([
  ['/outbox/', '/outbox/api/me', '/api/me'],
  ['/outbox/', '/outbox/', '/'],
  ['/outbox/', '/outbox', '/'],
  ['/outbox/', '/api/me', '/api/me'],
  ['/outbox/', '/outboxes/x', '/outboxes/x'],
  ['/a/b/', '/a/b/c', '/c'],
  ['/', '/api/me', '/api/me'],
  ['/', '/', '/'],
])('below %s, %s is %s', (prefix, path, expected) => expect(withoutPrefix(path, prefix)).toBe(expected));

describe('proxies', () => {
  const networks = ['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '::1'];

  test.each(['10.255.0.1', '192.168.1.7', '::ffff:10.0.0.1', '::FFFF:192.168.1.7', 'fd12::1', '::1'])(
    '%s is trusted',
    (peer) => expect(isTrusted(networks, peer)).toBe(true),
  );

  test.each(['11.0.0.1', '192.168.1.8', '::ffff:11.0.0.1', 'fe80::1', '127.0.0.1', '', 'unix', '10.0.0'])(
    '%j is not',
    (peer) => expect(isTrusted(networks, peer)).toBe(false),
  );

  test('nobody is trusted by an empty list', () => expect(isTrusted([], '127.0.0.1')).toBe(false));

  const proxy = { userHeader: 'X-Forwarded-User', trustedProxies: ['10.0.0.1'] };
  const sends =
    (...values: string[]) =>
    (name: string) =>
      name === 'x-forwarded-user' ? values : [];

  test('the header of a trusted proxy names the person', () => {
    expect(personOfProxy(proxy, '10.0.0.1', sends(' anna '))).toBe('anna');
    expect(personOfProxy(proxy, '::ffff:10.0.0.1', sends('anna@example.com'))).toBe('anna@example.com');
    const latin1 = Buffer.from('José', 'utf8').toString('latin1');
    expect(personOfProxy(proxy, '10.0.0.1', sends(latin1))).toBe('José');
    expect(personOfProxy(proxy, '10.0.0.1', sends('Jos\u00e9'))).toBe('José');
  });

  test.each([
    ['from elsewhere', '10.0.0.2', ['anna']],
    ['absent', '10.0.0.1', []],
    ['empty', '10.0.0.1', [' ']],
    ['too long', '10.0.0.1', ['x'.repeat(201)]],
    ['twice, since a browser sent one too', '10.0.0.1', ['anna', 'mallory']],
    ['twice the same', '10.0.0.1', ['anna', 'anna']],
  ])('a header %s names nobody', (_, peer, values) => {
    expect(personOfProxy(proxy, peer, sends(...values))).toBeUndefined();
  });

  test('without the setting no header counts', () => {
    expect(personOfProxy({ ...proxy, userHeader: undefined }, '10.0.0.1', sends('anna'))).toBeUndefined();
  });

  test.each(['\u0000', 'a\nb', 'a\u001b[31m', '\u202eanna', 'a\u2028b', 'a\u200bb'])(
    '%j is no name for the audit trail',
    (name) => expect(personOf(name)).toBeUndefined(),
  );

  test('operators act, the others look', () => {
    expect(roleOfProxy(['anna'], 'anna')).toBe('operate');
    expect(roleOfProxy(['anna'], 'Anna')).toBe('view');
    expect(roleOfProxy(['*'], 'bert')).toBe('operate');
    expect(roleOfProxy([], 'anna')).toBe('view');
  });

  test.each([
    ['198.51.100.1', undefined, '198.51.100.1'],
    ['198.51.100.1', '203.0.113.9', '198.51.100.1'],
    ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', 'not an address', '10.0.0.1'],
    ['10.0.0.1', '10.0.0.3', '10.0.0.3'],
  ])('behind %s with %j attempts count for %s', (peer, forwardedFor, client) => {
    expect(clientOf(['10.0.0.0/8'], peer, forwardedFor)).toBe(client);
  });
});

describe('tokens', () => {
  const tokens = { view: 'view-view-view-view', operate: 'operate-operate' };

  test('each allows what it is for', () => {
    expect(roleOfToken(tokens, 'view-view-view-view')).toBe('view');
    expect(roleOfToken(tokens, 'operate-operate')).toBe('operate');
  });

  test.each(['', 'view-view-view-vie', 'view-view-view-view ', 'VIEW-VIEW-VIEW-VIEW', 'undefined'])(
    '%j allows nothing',
    (token) => expect(roleOfToken(tokens, token)).toBeUndefined(),
  );

  test('a token that is not set is not the empty one', () => {
    expect(roleOfToken({ view: undefined, operate: undefined }, '')).toBeUndefined();
  });

  test('payloads follow the role', () => {
    const views = { viewPayloads: 'off', operatePayloads: 'full' } as const;
    expect(visitorOf('anna', 'view', 'token', views).payloads).toBe('off');
    expect(visitorOf('anna', 'operate', 'proxy', views).payloads).toBe('full');
  });
});

describe('sessions', () => {
  const views = { viewPayloads: 'masked', operatePayloads: 'masked' } as const;
  const anna = visitorOf('anna', 'operate', 'token', views);

  test('end after half a day, however much they are used', () => {
    let nowMs = 0;
    const sessions = new Sessions(() => nowMs);
    const id = sessions.begin(anna);
    nowMs = 12 * 3_600_000 - 1;
    expect(sessions.find(id)).toEqual({ visitor: anna, leftMs: 1 });
    nowMs++;
    expect(sessions.find(id)).toBeUndefined();
    nowMs = 0;
    expect(sessions.find(id)).toBeUndefined();
  });

  test('end when their owner signs out, and no other', () => {
    const sessions = new Sessions();
    const [mine, other] = [sessions.begin(anna), sessions.begin(anna)];
    sessions.end(mine);
    sessions.end(undefined);
    expect(sessions.find(mine)).toBeUndefined();
    expect(sessions.find(other)?.visitor).toBe(anna);
  });

  test('are found by their whole id only', () => {
    const sessions = new Sessions();
    const id = sessions.begin(anna);
    expect(id).toMatch(/^[\w-]{43}$/);
    for (const wrong of [undefined, '', id.slice(1), `${id} `, '__proto__'])
      expect(sessions.find(wrong)).toBeUndefined();
  });

  test('of visitors who may only look end none of somebody who acts', () => {
    const sessions = new Sessions();
    const id = sessions.begin(visitorOf('anna', 'operate', 'token', views));
    for (let count = 0; count < 2_000; count++) sessions.begin(visitorOf('viv', 'view', 'token', views));
    expect(sessions.find(id)).toMatchObject({ visitor: { person: 'anna' } });
  });

  test('are bounded: those that ended go first, then the oldest', () => {
    let nowMs = 0;
    const sessions = new Sessions(() => nowMs);
    const old = sessions.begin(anna);
    nowMs = 1;
    const [second] = Array.from({ length: 1_000 }, () => sessions.begin(anna));
    expect(sessions.find(old)).toBeUndefined();
    expect(sessions.find(second)).toBeDefined();
  });
});

describe('wrong tokens', () => {
  test('of one address are held up for a minute, and of no other', () => {
    let nowMs = 0;
    const attempts = new Attempts(() => nowMs);
    for (let count = 0; count < 10; count++) {
      expect(attempts.mayTry('a')).toBe(true);
      attempts.failed('a');
    }
    expect([attempts.mayTry('a'), attempts.mayTry('b')]).toEqual([false, true]);
    nowMs = 59_999;
    expect(attempts.mayTry('a')).toBe(false);
    nowMs = 60_000;
    expect(attempts.mayTry('a')).toBe(true);
  });

  test('of ever more addresses do not fill the memory, nor free one that is held up before', () => {
    const attempts = new Attempts();
    for (let count = 0; count < 10; count++) attempts.failed('a');
    for (let count = 1; count < 10_000; count++) attempts.failed(`b${count}`);
    attempts.failed('a');
    expect(attempts.mayTry('a')).toBe(false);
    attempts.failed('one more');
    expect(attempts.mayTry('a')).toBe(true);
  });
});

describe('streams', () => {
  class Answer extends EventEmitter {
    destroy = vi.fn(() => void this.emit('close'));
  }

  test('are bounded for each owner, and are counted until they close', () => {
    const streams = new Streams();
    const answers = Array.from({ length: 16 }, () => new Answer());
    for (const answer of answers) streams.opened('a', 60_000, answer);
    expect([streams.mayOpen('a'), streams.mayOpen('b')]).toEqual([false, true]);
    const more = new Answer();
    streams.opened('a', 60_000, more);
    expect(more.destroy).toHaveBeenCalledOnce();
    answers[0]!.destroy();
    expect(streams.mayOpen('a')).toBe(true);
    streams.endOf('a');
    for (const answer of answers) expect(answer.destroy).toHaveBeenCalledOnce();
  });

  test('are bounded in all', () => {
    const streams = new Streams();
    const answers = Array.from({ length: 200 }, () => new Answer());
    for (const [index, answer] of answers.entries()) streams.opened(`owner ${index}`, 60_000, answer);
    expect(streams.mayOpen('another')).toBe(false);
    for (const answer of answers) answer.destroy();
    expect(streams.mayOpen('another')).toBe(true);
  });

  test('end with the session, and after an hour at the latest', () => {
    vi.useFakeTimers();
    try {
      const streams = new Streams();
      const [short, long] = [new Answer(), new Answer()];
      streams.opened('a', 1_000, short);
      streams.opened('b', Number.POSITIVE_INFINITY, long);
      vi.advanceTimersByTime(1_000);
      expect([short.destroy.mock.calls.length, long.destroy.mock.calls.length]).toEqual([1, 0]);
      vi.advanceTimersByTime(3_600_000);
      expect(long.destroy).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });
});
