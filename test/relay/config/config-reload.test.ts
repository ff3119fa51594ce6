import { describe, expect, test } from 'vitest';
import { applyReloadable, settings } from '../../../relay/config/config.ts';
import { reloadable } from '../../../relay/config/schema.ts';
import { configOf } from '../settings.ts';

test('each setting of the list exists', () => {
  const keys = settings.map(({ path }) => path.join('.'));
  expect([...reloadable].filter((key) => !keys.includes(key))).toEqual([]);
  expect(settings.filter(({ reload }) => reload)).toHaveLength(reloadable.size);
});

describe('a configuration that is read again', () => {
  test('changes in place what may change, and names the rest', () => {
    const running = configOf({ LOG_LEVEL: 'info', PUBLISH_LINGER_MS: 4 });
    const { deadLetters } = running;
    const next = configOf({
      LOG_LEVEL: 'debug',
      DEAD_LETTERS_POLICY: 'park-key',
      CLEANUP_RETENTION: '3d',
      PUBLISH_LINGER_MS: 9,
      TOPICS_ALLOW: 'a,b',
    });
    expect(applyReloadable(running, next)).toEqual({
      applied: ['deadLetters.policy', 'cleanup.retention', 'log.level'],
      needRestart: ['topics.allow', 'publish.lingerMs'],
    });
    expect(running.deadLetters).toBe(deadLetters);
    expect([deadLetters.policy, running.log.level, running.publish.lingerMs]).toEqual([
      'park-key',
      'debug',
      4,
    ]);
    expect(running.cleanup.retention).toBe('3d');
    expect(applyReloadable(running, next).applied).toEqual([]);
  });

  test('can take a setting away', () => {
    const running = configOf({ CLEANUP_RETENTION: '3d' });
    expect(applyReloadable(running, configOf()).applied).toEqual(['cleanup.retention']);
    expect(running.cleanup.retention).toBeUndefined();
  });

  test('changes nothing where it breaks a rule together with what runs', () => {
    const running = configOf();
    running.publish.batchEvents = 1_000_000;
    const before = structuredClone(running);
    const apply = () => applyReloadable(running, configOf({ LOG_LEVEL: 'debug', CLEANUP_RETENTION: '3d' }));
    expect(apply).toThrow(/publish.batchEvents must not exceed/);
    expect(running).toEqual(before);
  });
});
