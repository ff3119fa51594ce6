import { describe, expect, test } from 'vitest';
import type { Host } from '../../../../relay/connect/postgres/address.ts';
import { findHost, standbyError } from '../../../../relay/connect/postgres/find-host.ts';
import { asRelayError, RelayError } from '../../../../relay/errors.ts';

const silence = new Promise<void>(() => {});
const right = () => Promise.resolve();
const away = () => Promise.reject(new RelayError('POSTGRES_UNAVAILABLE', 'connecting: nobody listens'));
const standby = () => Promise.reject(standbyError());
const refused = () => Promise.reject(new RelayError('POSTGRES_UNAUTHORIZED', 'connecting: wrong password'));

let lists = 0;

/** Hosts that answer so; no other test has them. */
function cluster(...answers: (() => Promise<void>)[]) {
  const list = ++lists;
  const hosts: Host[] = answers.map((_, at) => ({ host: `h${at}`, port: list }));
  const asked: string[] = [];
  const dropped: string[] = [];
  const find = (startNextAfterMs = 60_000) =>
    findHost(
      { hosts, wanted: 'primary' },
      ({ host }, signal) => {
        asked.push(host);
        signal.addEventListener('abort', () => dropped.push(host));
        return answers[Number(host.slice(1))]!();
      },
      startNextAfterMs,
    ).then(({ host }) => host);
  return { find, asked, dropped, answers };
}

const failureOf = (found: Promise<string>) => found.then(String, asRelayError);

describe('of several hosts', () => {
  test('the first that is right is taken, and no other is asked', async () => {
    const { find, asked } = cluster(right, right);
    expect([await find(), asked]).toEqual(['h0', ['h0']]);
  });

  test('those that are away, refuse or are standbys are passed over', async () => {
    const { find, asked } = cluster(away, refused, standby, right, right);
    expect([await find(), asked]).toEqual(['h3', ['h0', 'h1', 'h2', 'h3']]);
  });

  test('one that stays silent holds up the next one for a moment only, and is dropped', async () => {
    const { find, dropped } = cluster(() => silence, right);
    expect(await find(1)).toBe('h1');
    expect(dropped).toContain('h0');
  });

  test('the one that was right last time comes first, until it is not', async () => {
    const { find, asked, answers } = cluster(standby, right);
    await find();
    asked.length = 0;
    expect([await find(), asked]).toEqual(['h1', ['h1']]);
    answers.splice(0, 2, right, away);
    asked.length = 0;
    expect([await find(), asked]).toEqual(['h0', ['h1', 'h0']]);
  });
});

describe('if no host is right, one failure says what each of them said', () => {
  test.each([
    [
      'all are away',
      [away, away],
      'POSTGRES_UNAVAILABLE',
      'h0:N: connecting: nobody listens; h1:N: connecting: nobody listens',
    ],
    [
      'all are standbys',
      [standby, standby],
      'POSTGRES_READ_ONLY',
      'h0:N: the server is a standby; h1:N: the server is a standby',
    ],
    [
      'one refuses, and one that is away may be the primary',
      [refused, away],
      'POSTGRES_UNAVAILABLE',
      'h0:N: connecting: wrong password; h1:N: connecting: nobody listens',
    ],
    [
      'one refuses, and no other can be the primary',
      [standby, refused],
      'POSTGRES_UNAUTHORIZED',
      'h0:N: the server is a standby; h1:N: connecting: wrong password',
    ],
  ] as const)('where %s', async (_, answers, code, said) => {
    const { find } = cluster(...answers);
    const failure = (await failureOf(find())) as RelayError;
    expect([failure.code, failure.message.replaceAll(/(h\d):\d+/g, '$1:N')]).toEqual([
      code,
      `none of the 2 hosts of database.url is a primary that the relay can use: ${said}`,
    ]);
  });
});
