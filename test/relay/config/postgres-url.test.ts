import { describe, expect, test } from 'vitest';
import { parsePostgresUrl, wantedOf } from '../../../relay/config/postgres-url.ts';

const hostsOf = (text: string) =>
  parsePostgresUrl(text)?.hosts.map(({ host, port }) => [host, port].join(' ').trim());

describe('the hosts of a URL', () => {
  test.each([
    ['postgres://u:p@db/shop', ['db']],
    ['postgres://u:p@db:1/shop', ['db 1']],
    ['postgres://u:p@a:1,b:2/shop', ['a 1', 'b 2']],
    ['postgres://u:p@a,b:2/shop', ['a', 'b 2']],
    ['postgresql://[::1]:1,[fe80::2]/shop', ['::1 1', 'fe80::2']],
    ['postgres://%2Frun%2Fpg:1/shop', ['/run/pg 1']],
    ['postgres:///shop?host=/tmp', ['/tmp']],
    ['postgres:///shop?host=a,b&port=7', ['a 7', 'b 7']],
    ['postgres:///shop?host=a,b&port=7,8', ['a 7', 'b 8']],
    ['postgres://c:1/shop?host=a', ['a 1']],
    ['postgres://', ['']],
    ['postgres://u,v:x,y@db/shop', ['db']],
  ])('of %s are %j', (text, hosts) => {
    expect(hostsOf(text)).toEqual(hosts);
  });

  test.each([
    'mysql://db',
    'postgres:db',
    'postgres://a b/shop',
    'postgres://[::1/shop',
    'postgres://%zz/shop',
  ])('%s is no such URL', (text) => {
    expect(parsePostgresUrl(text)).toBeUndefined();
  });

  test('are taken out of what is left, which keeps everything else', () => {
    const { url } = parsePostgresUrl('postgres://u:p%40@a:1,b:2/shop?sslmode=disable&host=c&port=3')!;
    expect([url.username, url.password, url.pathname, url.search]).toEqual([
      'u',
      'p%40',
      '/shop',
      '?sslmode=disable',
    ]);
  });
});

test('of several hosts the primary is wanted, unless the URL says that any will do', () => {
  const cases = [
    [undefined, 1],
    [undefined, 2],
    ['any', 2],
    ['primary', 1],
    ['read-write', 1],
  ] as const;
  expect(cases.map(([target, count]) => wantedOf(target, count))).toEqual([
    'any',
    'primary',
    'any',
    'primary',
    'primary',
  ]);
});
