/** What a person reads of a value that cannot be. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { settings } from '../../../relay/config/config.ts';
import { faultsTold } from './faults-told.ts';

const required = {
  DATABASE_URL: 'postgres://relay@db/shop',
  KAFKA_BROKERS: 'kafka:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081',
};
const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function faults(env: Record<string, string>, yaml = ''): string[] {
  const file = join(folder, 'relay.yaml');
  writeFileSync(file, yaml);
  return faultsTold({ file, env: { ...required, ...env } });
}

test.each([
  ['SHUTDOWN_MS', 'soon', 'shutdownMs must be a whole number from 100 to 600,000'],
  ['SHUTDOWN_MS', '7.5', 'shutdownMs must be a whole number from 100 to 600,000'],
  ['SHUTDOWN_MS', '0', 'shutdownMs must be a whole number from 100 to 600,000'],
  ['SHUTDOWN_MS', '999999999999999999', 'shutdownMs must be a whole number from 100 to 600,000'],
  ['SLOT_WAL_DISK_BYTES', '4', 'slot.walDiskBytes must be a whole number from 67,108,864 on'],
  ['TOPICS_CREATE', 'maybe', 'topics.create must be true or false'],
  ['SLOT_WHEN_LOST', 'panic', 'slot.whenLost must be stop or recover'],
  ['DATABASE_PASSWORD_FROM', 'dns', 'database.passwordFrom must be rds-iam'],
  ['LOG_LEVELS', 'publish=loud', 'log.levels.publish must be trace, debug, info, warn, error or fatal'],
])('%s=%s is one fault, which says what the value must be', (name, value, fault) => {
  expect(faults({ [`OUTBOX_RELAY_${name}`]: value })).toEqual([`${fault} (OUTBOX_RELAY_${name})`]);
});

test.each([
  ['kafka: fast', 'kafka must have settings below it'],
  ['records: [type]', 'records must have settings below it'],
  ['publication: 5', 'publication must be text; put it in quotes (OUTBOX_RELAY_PUBLICATION)'],
  ['kafka: { ssl: 1 }', 'kafka.ssl must be true or false (OUTBOX_RELAY_KAFKA_SSL)'],
  ['slot: { name: a, whenLost: [] }', 'slot.whenLost must be stop or recover (OUTBOX_RELAY_SLOT_WHEN_LOST)'],
  ['topics: { allow: [] }', 'topics.allow must not be empty (OUTBOX_RELAY_TOPICS_ALLOW)'],
])('%s in the file is one fault, which says what the value must be', (yaml, fault) => {
  expect(faults({}, yaml)).toEqual([fault]);
});

test.each([
  [
    'outbox: { columns: { headers: null } }',
    "outbox.columns.headers has no value; write '' for none, or leave the line out for the default (OUTBOX_RELAY_OUTBOX_COLUMNS_HEADERS)",
  ],
  [
    'topics: { template: ~ }',
    'topics.template has no value; write one, or leave the line out (OUTBOX_RELAY_TOPICS_TEMPLATE)',
  ],
  [
    'log: { levels: { kafka: } }',
    'log.levels.kafka has no value; write one, or leave the line out (OUTBOX_RELAY_LOG_LEVELS)',
  ],
  ['kafka: { broker: }', 'kafka.broker is not a setting; the nearest is kafka.brokers'],
  ['nothing: ~', expect.stringMatching(/^nothing is not a setting/)],
])('%s in the file is no silent default', (yaml, fault) => {
  expect(faults({}, yaml)).toEqual([fault]);
});

const inFile = (path: readonly string[], value: string) =>
  `${path.map((name) => `{ "${name}": `).join('')}${value}${' }'.repeat(path.length)}`;

test('no setting without a value in the file is a silent default', () => {
  const given = new Set(Object.keys(required));
  for (const { path, env } of settings) {
    if (given.has(env)) continue;
    const told = faults({}, inFile(path, 'null'));
    expect(told, path.join('.')).toEqual([
      expect.stringMatching(/ has no value; write .*, or leave the line out/),
    ]);
    expect(told[0]).toContain(env);
  }
});

test('a variable gives what has no value in the file', () => {
  for (const path of [
    ['database', 'url'],
    ['kafka', 'brokers'],
    ['registry', 'url'],
  ])
    expect(faults({}, inFile(path, 'null'))).toEqual([]);
});

test('a section without settings, as where all are commented out, is as an absent one', () => {
  const sections = settings.map(({ path }) => path.slice(0, -1)).filter(({ length }) => length > 0);
  for (const path of new Map(sections.map((each) => [each.join('.'), each])).values())
    expect(faults({}, inFile(path, 'null')), path.join('.')).toEqual([]);
});

describe('whatever is wrong, no fault is in words of the validator', () => {
  const words = /invalid|expected|received|too (big|small)|pattern|unrecognized/i;

  test.each(['nonsense ∞', '-1', '0', '1e30', '{', 'a,b,,c', ' ', 'x'.repeat(300)])('%j', (value) => {
    const said = settings.flatMap(({ env }) => faults({ [env]: value }));
    expect(said.length).toBeGreaterThan(20);
    expect(said.map((fault) => fault.replaceAll(value, '')).filter((fault) => words.test(fault))).toEqual([]);
  });

  test.each(['5', 'text', 'true', '[]', '[[]]', '[5]', '{}', '{ a: { b: c } }', '2026-01-31'])(
    '%s in the file',
    (value) => {
      const said = settings.flatMap(({ path }) =>
        faults({}, `${path.map((name) => `{ "${name}": `).join('')}${value}${' }'.repeat(path.length)}`),
      );
      expect(said.length).toBeGreaterThan(20);
      expect(said.filter((fault) => words.test(fault))).toEqual([]);
    },
  );
});
