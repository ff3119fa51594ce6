/** Which subjects of a registry are the relay's. */
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import { isOfNaming } from '../../../../relay/operations/schemas/subjects.ts';

const naming = (strategy: string) => {
  const env = { OUTBOX_RELAY_TOPICS_ALLOW: 'shop.*', OUTBOX_RELAY_SCHEMAS_SUBJECT_STRATEGY: strategy };
  const { config } = loadConfig({ env, needs: [] });
  return (subject: string) => isOfNaming(config, subject);
};

describe('naming', () => {
  test('by topic and record: an allowed topic, a hyphen, a record', () => {
    const isOurs = naming('topic-record');
    expect(isOurs('shop.order-shop.OrderPlaced')).toBe(true);
    expect(isOurs('shop.order-events-shop.OrderPlaced')).toBe(true);
    expect(isOurs('bank.order-shop.OrderPlaced')).toBe(false);
    expect(isOurs('shop.order')).toBe(false);
    expect(isOurs('-shop')).toBe(false);
  });

  test('by topic: its values, and not its keys', () => {
    const isOurs = naming('topic');
    expect(isOurs('shop.order-value')).toBe(true);
    expect(isOurs('shop.order-key')).toBe(false);
    expect(isOurs('bank.order-value')).toBe(false);
  });

  test('by record: any, since every topic may have it', () => {
    expect(naming('record')('anything.Else')).toBe(true);
    expect(naming('record')('not a subject')).toBe(false);
  });
});
