import { expect, test } from 'vitest';
import { assertRightsStated, rightOf, rights, routeNames } from '../../../../console/server/access/rights.ts';

const routeOf = (name: string) => {
  const [method, path] = name.split(' ') as [string, string];
  return { method, path: `/api${path}` };
};
const stated = Object.keys(rights).map(routeOf);

test('a route without a right, and a right without a route, are a mistake that is said', () => {
  assertRightsStated(stated);
  expect(() => assertRightsStated([...stated, routeOf('POST /control/stop')])).toThrow('POST /control/stop');
  expect(() => assertRightsStated([...stated, routeOf('GET /toString')])).toThrow('GET /toString');
  expect(() => assertRightsStated(stated.slice(1))).toThrow('GET /me');
});

test('what is no route of one method has no right, and neither has the sign-in', () => {
  const others = [
    { method: 'ALL', path: '/api/*' },
    { method: 'GET', path: '/*' },
    { method: 'GET', path: '/apiary' },
    { method: 'POST', path: '/api/session' },
  ];
  expect(routeNames(others)).toEqual([]);
  expect(rightOf(others)).toBeUndefined();
});

test('of several routes that a path leads to, the one that asks most decides', () => {
  const [looking, acting] = [routeOf('POST /dead-letters/jobs/try'), routeOf('POST /dead-letters/preview')];
  expect(rightOf([looking])).toBe('view');
  expect(rightOf([looking, acting])).toBe('operate');
  expect(rightOf([acting, looking])).toBe('operate');
  expect(rightOf([looking, routeOf('POST /nobody/stated')])).toBe('operate');
});
