import { expect, test } from 'vitest';
import { masked, withoutPassword } from '../../../relay/commands/masked-terminal.ts';

test.each([
  // Azure has names of users with an @.
  ['postgres://user@srv:SECRET@srv.example/db', 'postgres://user@srv:***@srv.example/db'],
  ['http://user@srv:SECRET@registry.example:8081', 'http://user@srv:***@registry.example:8081'],
  ['postgres://ada:SE@CRET@db/app', 'postgres://ada:***@db/app'],
  ['postgres://ada:12/SECRET@db/app', 'postgres://ada:***@db/app'],
  ['ada:SECRET@db/app', 'ada:***@db/app'],
  ['postgres:/ada:SECRET@db/app', 'postgres:***@db/app'],
  ['postgres://db/app?sslpassword=SECRET&x=y', 'postgres://db/app?sslpassword=***&x=y'],
  ['postgres://db/app?PASSWORD=SECRET', 'postgres://db/app?PASSWORD=***'],
  ['postgres://db/app?pass%77ord=SECRET', 'postgres://db/app?pass%77ord=***'],
  ['postgres://db:5432/app?oauth_client_secret=SECRET', 'postgres://db:5432/app?oauth_client_secret=***'],
])('of %s no character of the password is shown, however much of it is typed', (address, whole) => {
  for (let length = 1; length <= address.length; length++) {
    const shown = masked(address.slice(0, length));
    expect(shown).toHaveLength(length);
    expect(shown).not.toMatch(/SE|CRET|12/);
  }
  expect(withoutPassword(address).replace(/\*+/g, '***')).toBe(whole);
});

test.each(['postgres://db:5432/app', 'http://[::1]:8081', '127.0.0.1:9092,kafka.example:9092', 'http://db'])(
  'of %s, which has none, the whole is shown in the end',
  (address) => {
    expect(withoutPassword(address)).toBe(address);
  },
);

test.each([
  'http://[::1]:8081/apis/ccompat/v7',
  'http://127.0.0.1:8081/apis',
  'postgres://localhost:5432/app',
])('of %s the whole is shown while it is typed: that is the name of no user', (address) => {
  for (let length = 1; length <= address.length; length++) {
    const typed = address.slice(0, length);
    // Until then it may become one.
    if (!/\[[^\]]*$/.test(typed) && /[\d\]t](?::|\/|$)/.test(typed.slice(typed.indexOf('//') + 2)))
      expect(masked(typed)).toBe(typed);
  }
  expect(masked(address)).toBe(address);
  expect(masked(`${address}?password=SECRET`)).toBe(`${address}?password=******`);
});

test('an address in brackets is no user, and what follows its port may be a password', () => {
  expect(masked('http://[::1]:80x')).toBe('http://[::1]:***');
  expect(masked('http://127.0.0.1:8081@db')).toBe('http://127.0.0.1:*******');
  expect(masked('http://127.0.0.1:81/SECRET@db')).toBe('http://127.0.0.1:************');
  expect(masked('http://[::1:SECRET@db')).toBe('http://[:************');
});
