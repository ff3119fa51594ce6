/** Which settings the console shows. */
import { expect, test } from 'vitest';
import { shownSettings } from '../../../../../console/server/api/settings.ts';
import { chosenSettings, sectionsOf } from '../../../../../console/web/screens/settings/filter-settings.ts';
import { describeConfig, loadConfig } from '../../../../../relay/config/config.ts';

const { config, provenance } = loadConfig({
  env: {
    DATABASE_URL: 'postgres://ada:sesame@db.example/shop',
    KAFKA_BROKERS: 'kafka.example:9092',
    SCHEMA_REGISTRY_URL: 'http://registry.example',
    OUTBOX_RELAY_CONSOLE_OPERATE_TOKEN: 'sesame-sesame-sesame',
    OUTBOX_RELAY_TOPICS_ALLOW: 'orders,items',
  },
});
const settings = shownSettings(describeConfig(config, provenance));
const named = (key: string) => settings.find((setting) => setting.key === key);

test('each setting has its default, its source and its description, and no secret', () => {
  expect(JSON.stringify(settings)).not.toContain('sesame');
  expect(named('topics.allow')).toMatchObject({
    section: 'topics',
    value: 'orders,items',
    isDefault: false,
    source: 'OUTBOX_RELAY_TOPICS_ALLOW',
  });
  expect(named('cleanup.retention')).toMatchObject({ value: '', default: null, isDefault: true });
  for (const { key, description, env } of settings)
    expect([key, description !== '', env !== '']).toEqual([key, true, true]);
});

test('the filter takes words in any order, and what is set or changes without a restart', () => {
  expect(chosenSettings(settings, 'ALLOW topics', 'all').map(({ key }) => key)).toContain('topics.allow');
  expect(chosenSettings(settings, 'no such word', 'all')).toEqual([]);
  const set = chosenSettings(settings, '', 'set');
  expect(set.map(({ key }) => key)).toContain('topics.allow');
  expect(set.every(({ isDefault }) => !isDefault)).toBe(true);
  expect(chosenSettings(settings, '', 'reload').every(({ reload }) => reload)).toBe(true);
  expect(sectionsOf(settings).flatMap(([, own]) => own)).toHaveLength(settings.length);
});
