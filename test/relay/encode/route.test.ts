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

  test.each(['', '.', '..', '...', ' ', 'a b', '\t', 'a/b', 'a'.repeat(237)])(
    'with a part of %j is none: Kafka takes a name that ends with a dot, and nobody meant it',
    (part) => {
      expect(router().topic(part, 'Placed')).toBeUndefined();
      const both = router({ TOPICS_TEMPLATE: 'x.{type}.{aggregatetype}', TOPICS_ALLOW: '*' });
      expect(both.topic('order', part === 'a'.repeat(237) ? 'a'.repeat(242) : part)).toBeUndefined();
    },
  );

  test('may leave out a column whatever it holds', () => {
    const one = router({ TOPICS_TEMPLATE: 'orders', TOPICS_ALLOW: 'orders' });
    expect(one.topic('', '.')).toBe('orders');
    expect(router().topic('a.b', '.')).toBe('outbox.event.a.b');
    expect(router().topic('a'.repeat(236), 'x')).toHaveLength(249);
  });

  test('may have the longest legal name', () => {
    const any = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' });
    expect(any.topic('a'.repeat(249), 'x')).toBe('a'.repeat(249));
  });
});

describe('why there is no topic', () => {
  test('names the topic and the setting that refuses it', () => {
    expect(router({ TOPICS_ALLOW: 'outbox.event.order' }).whyNone('ordre', 'Placed')).toBe(
      'the aggregatetype leads to topic outbox.event.ordre, which topics.allow does not list',
    );
    const both = router({ TOPICS_TEMPLATE: '{aggregatetype}.{type}', TOPICS_ALLOW: 'x' });
    expect(both.whyNone('a', 'B')).toBe(
      'aggregatetype and type lead to topic a.B, which topics.allow does not list',
    );
  });

  test('does not send anybody to topics.allow for what it can never allow', () => {
    const any = router({ TOPICS_TEMPLATE: '{aggregatetype}', TOPICS_ALLOW: '*' });
    for (const internal of ['__consumer_offsets', '_schemas', 'outbox-relay.progress'])
      expect(any.whyNone(internal, 'x')).toBe(
        `the aggregatetype leads to topic ${internal}, which is internal: no setting allows events in it`,
      );
  });

  test('names the column that leaves its part empty', () => {
    const both = router({ TOPICS_TEMPLATE: '{aggregatetype}.{type}', TOPICS_ALLOW: '*' });
    expect(both.whyNone('a', '..')).toBe(
      "type: must not leave a part between the dots of the topic's name empty (topics.template {aggregatetype}.{type})",
    );
    expect(both.whyNone('a.', 'x')).toMatch(/^aggregatetype: must not leave/);
    expect(router().whyNone('', 'x')).toMatch(/^aggregatetype: must not leave/);
  });

  test('has no part between dots that a column leaves empty', () => {
    for (const value of ['', '.', '..', '.a', 'a.', 'a..b']) {
      expect(router().topic(value, 'x')).toBeUndefined();
      expect(router().emptyPart(value, 'x')).toBe('aggregatetype');
    }
    expect(router().topic('a.b', 'x')).toBe('outbox.event.a.b');
    const within = router({ TOPICS_TEMPLATE: 'ev{aggregatetype}', TOPICS_ALLOW: 'ev*' });
    expect(within.topic('', 'x')).toBe('ev');
    expect(within.topic('.a', 'x')).toBe('ev.a');
    for (const value of ['.', 'a.', '..a']) expect(within.topic(value, 'x')).toBeUndefined();
    const pair = router({ TOPICS_TEMPLATE: '{aggregatetype}{type}', TOPICS_ALLOW: '*' });
    expect([pair.topic('', 'x'), pair.topic('a', '')]).toEqual(['x', 'a']);
  });

  test('shows a name of any length and content, and stays short and harmless', () => {
    const why = router().whyNone(`a\u001b[2J\n\u202e${'x'.repeat(1_000_000)}`, 'x');
    expect(why).toMatch(
      /^the aggregatetype leads to "outbox\.event\.a·\[2J··x+…" \(topics\.template outbox\.event\.\{aggregatetype\}\), which cannot be the name of a topic/,
    );
    expect(why.length).toBeLessThan(300);
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
