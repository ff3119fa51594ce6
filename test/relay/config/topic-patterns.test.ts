import { describe, expect, test } from 'vitest';
import { allowList } from '../../../relay/config/topic-patterns.ts';

describe('an allow-list of patterns', () => {
  test.each([
    ['a', 'a', true],
    ['a', 'ab', false],
    ['a', 'ba', false],
    ['a*', 'abc', true],
    ['*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*c*', 'abcd', true],
    ['a.c', 'abc', false],
    ['a.*', 'abc', false],
    ['a+', 'aa', false],
    ['*', '_confluent-command', false],
    ['*s', '_s', false],
    ['_mine.*', '_mine.a', true],
    ['a*', 'a_b', true],
  ])('%s of %s: %s', (pattern, topic, isAllowed) => {
    expect(allowList([pattern], 'p').test(topic)).toBe(isAllowed);
  });

  test('any of its patterns will do, each as a whole', () => {
    const list = allowList(['a', 'b*'], 'p');
    expect(['a', 'b', 'bc', 'ab', 'xb', 'ac'].filter((topic) => list.test(topic))).toEqual(['a', 'b', 'bc']);
  });
});
