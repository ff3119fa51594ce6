import { describe, expect, test } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import { Router } from '../../../relay/encode/route.ts';
import { configOf } from '../settings.ts';

const router = (settings: Settings = {}) => new Router(configOf(settings));

describe('the topic', () => {
  test('is formed by the template from the columns', () => {
    expect(router().topic('order', 'Placed')).toBe('outbox.event.order');
    const both = router({ TOPICS_TEMPLATE: 'x.{type}.{aggregatetype}.{type}', TOPICS_ALLOW: 'x.*' });
    expect(both.topic('order', 'Placed')).toBe('x.Placed.order.Placed');
  });

  test('does not treat a column as a template or a replacement pattern', () => {
    const any = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' });
    expect(any.topic('$&', 'Placed')).toBeUndefined();
    expect(any.topic('{type}', 'Placed')).toBeUndefined();
  });

  test.each(['', ' ', 'a b', 'ü', 'a/b', '.', '..', 'a\nb', 'a'.repeat(250)])(
    '%j is no legal name',
    (name) => {
      expect(
        router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' }).topic(name, 'x'),
      ).toBeUndefined();
    },
  );

  test('may have the longest legal name', () => {
    const any = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' });
    expect(any.topic('a'.repeat(249), 'x')).toBe('a'.repeat(249));
  });
});

describe('the allow-list', () => {
  const anything = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' });

  test.each([
    '__consumer_offsets',
    '__transaction_state',
    '__x',
    '_schemas',
    'outbox-relay.progress',
    'outbox-relay.progress.other',
  ])('never lets a row into %s, whatever it says', (internal) => {
    expect(anything.topic(internal, 'x')).toBeUndefined();
    const listed = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: `x,${internal}*` });
    expect(listed.topic(internal, 'x')).toBeUndefined();
  });

  test('never lets a row into the progress topic under another name either', () => {
    const other = router({
      TOPICS_TEMPLATE: '{aggregatetype}',
      TOPICS_ALLOW: '*',
      KAFKA_PROGRESS_TOPIC: 'my.progress',
    });
    expect(other.topic('my.progress', 'x')).toBeUndefined();
    expect(other.topic('my-progress', 'x')).toBe('my-progress'); // the dot is a dot
    expect(other.topic('my.progress2', 'x')).toBe('my.progress2');
  });
});

describe('the subject', () => {
  test.each([
    ['topic', 't-value'],
    ['record', 'shop.Placed'],
    ['topic-record', 't-shop.Placed'],
  ])('by strategy %s is %s', (strategy, expected) => {
    const settings = { SCHEMAS_SUBJECT_STRATEGY: strategy, SCHEMAS_NAMESPACE: 'shop' };
    expect(router(settings).subject('t', 'Placed')).toBe(expected);
  });

  test('keeps a namespace that the type has', () => {
    expect(router({ SCHEMAS_NAMESPACE: 'shop' }).subject('t', 'other.Placed')).toBe('t-other.Placed');
    expect(router().subject('t', 'Placed')).toBe('t-Placed');
  });
});
