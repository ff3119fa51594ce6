/** Where a fault is to be corrected, and what is loaded despite it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoadOptions, loadConfig, loadDespiteFaults } from '../../../relay/config/config.ts';
import { RelayError } from '../../../relay/errors.ts';

const required = {
  DATABASE_URL: 'postgres://relay:sesame@db:5432/shop',
  KAFKA_BROKERS: 'kafka-1:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
};

let file: string;
beforeEach(() => {
  file = join(mkdtempSync(join(tmpdir(), 'outbox-relay-faults-')), 'shop.yaml');
});
afterEach(() => rmSync(join(file, '..'), { recursive: true }));

function written(text: string): string {
  writeFileSync(file, text);
  return file;
}

function failureOf(load: () => unknown): RelayError {
  try {
    load();
  } catch (error) {
    if (error instanceof RelayError) return error;
    throw error;
  }
  throw new Error('no fault was found');
}

const hintOf = (options: LoadOptions) => failureOf(() => loadConfig(options)).hint;

describe('the hint names the file or the variable to correct, and the settings', () => {
  test('of values in the file, and of names that are no setting', () => {
    written('slot: shop\npublish: { lingerMs: soon }\nkafka: { broker: a }\n');
    expect(hintOf({ file, env: required })).toContain(`Correct kafka.broker, publish.lingerMs in ${file}.`);
  });

  test('of values and of names in the environment', () => {
    const env = { ...required, OUTBOX_RELAY_PUBLISH_LINGER_MS: 'soon', OUTBOX_RELAY_SLOTT: 'x' };
    expect(hintOf({ env })).toContain(
      'Correct in the environment: OUTBOX_RELAY_SLOTT, OUTBOX_RELAY_PUBLISH_LINGER_MS (publish.lingerMs).',
    );
  });

  test('of what is missing, and of a variable that the file refers to', () => {
    const { KAFKA_BROKERS: _, ...env } = required;
    expect(hintOf({ env })).toContain(
      'Set kafka.brokers (KAFKA_BROKERS) in relay.yaml or in the environment.',
    );
    written(`slot: '\${STAGE}'\n`);
    expect(hintOf({ file, env: required })).toContain(
      `Set in the environment: STAGE; or correct what refers to it in ${file}.`,
    );
  });

  test('of a file that cannot be read, or is no YAML', () => {
    expect(hintOf({ file: `${file}.gone`, env: required })).toContain(`make ${file}.gone readable`);
    expect(hintOf({ file: written('slot: [\n'), env: required })).toMatch(
      new RegExp(`^Correct ${file}, at or near line`),
    );
    expect(hintOf({ file: written('slot\n'), env: required })).toContain(`Correct ${file}: each line`);
  });
});

describe('despite a fault', () => {
  test('every setting that is right counts, and one with a fault has its default', () => {
    written(
      'slot: shop\ndatabase: { url: "postgres://u@db/shop" }\npublish: { lingerMs: soon, maxEventsPerSecond: 7 }\nkafka: here\n',
    );
    const { config, fault } = loadDespiteFaults({ file, env: {}, needs: ['database'] });
    expect([config.slot.name, config.database.url]).toEqual(['shop', 'postgres://u@db/shop']);
    expect(config.publish.maxEventsPerSecond).toBe(7);
    expect(config.publish.lingerMs).toBe(loadConfig({ env: required }).config.publish.lingerMs);
    expect(fault).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('lingerMs') });
    expect(fault?.hint).toContain(`Correct kafka, publish.lingerMs in ${file}.`);
  });

  test('a rule between settings is no obstacle either', () => {
    written('slot: { name: shop, recoverByWritingOrder: true }\ncleanup: { requireVerified: true }\n');
    const { config, fault } = loadDespiteFaults({ file, env: required });
    expect(config.slot).toMatchObject({ name: 'shop', recoverByWritingOrder: false });
    expect(fault?.message).toContain('2 faults');
  });

  test('without one nothing is said, and the configuration is the same', () => {
    const options = { file: written('slot: shop\n'), env: required };
    expect(loadDespiteFaults(options)).toEqual({ ...loadConfig(options), fault: undefined });
  });

  test.each<[string, Record<string, string>?]>([
    ['slot: Not-A-Slot'],
    ['slot: { nmae: shop }'],
    ['slto: shop'],
    ['outbox: { table: event }'],
    [`slot: "\${STAGE}"`],
    ['slot: [\n'],
    ['topics: { alow: [a] }'],
    ['slot: shop', { DATABASE_URL: 'mysql://db' }],
    ['slot: shop\ndatabase: here', { DATABASE_URL: '' }],
  ])('which outbox is meant is never guessed: %s', (text, more = {}) => {
    const options = { file: written(`${text}\n`), env: { ...required, ...more } };
    const failure = failureOf(() => loadConfig(options));
    expect(failureOf(() => loadDespiteFaults(options))).toMatchObject({
      message: failure.message,
      hint: failure.hint,
    });
  });

  test.each([['slot: [\n'], ['slto: shop\n'], ['topics: { alow: [a] }\n']])(
    'the environment can say which: %s',
    (text) => {
      const env = { ...required, OUTBOX_RELAY_SLOT: 'shop' };
      const { config, fault } = loadDespiteFaults({ file: written(text), env });
      expect([config.slot.name, config.database.url]).toEqual(['shop', required.DATABASE_URL]);
      expect(fault?.message).toMatch(/is not valid YAML|is not a setting/);
    },
  );
});
