import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import type { ConfigRead } from '../../../relay/observe/facts.ts';
import { ConfigReload } from '../../../relay/operations/reload.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'reload-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
});

const env = {
  DATABASE_URL: 'postgres://not-set.invalid/',
  KAFKA_BROKERS: 'not-set.invalid:9092',
  SCHEMA_REGISTRY_URL: 'http://not-set.invalid/',
};

function watching(file: string) {
  const load = () => loadConfig({ file, env }).config;
  const config = load();
  const reads: ConfigRead[] = [];
  const levels: string[] = [];
  const reload = new ConfigReload({
    config,
    file,
    load,
    observer: { configRead: (read) => void reads.push(read) },
    onApplied: () => levels.push(config.log.level),
  });
  return { config, reads, levels, reload };
}

const level = (name: string) => `log:\n  level: ${name}\n`;

test('a file that changes is read once it is the same at two looks', () => {
  const file = path.join(directory, 'relay.yaml');
  writeFileSync(file, level('info'));
  const { config, reads, levels, reload } = watching(file);
  reload.look();
  // Half of what somebody is writing would be valid.
  writeFileSync(file, '');
  reload.look();
  writeFileSync(file, level('debug'));
  reload.look();
  expect(reads).toEqual([]);
  reload.look();
  reload.look();
  expect(reads).toEqual([{ result: 'applied', applied: ['log.level'], needRestart: [] }]);
  expect([config.log.level, levels]).toEqual(['debug', ['debug']]);
});

test('a file that is missing for a while changes nothing', () => {
  const file = path.join(directory, 'relay.yaml');
  writeFileSync(file, level('info'));
  const { reads, reload } = watching(file);
  rmSync(file);
  for (let n = 0; n < 3; n++) reload.look();
  writeFileSync(file, level('info'));
  for (let n = 0; n < 3; n++) reload.look();
  expect(reads).toEqual([]);
});

test('an invalid file changes nothing, and is read once', () => {
  const file = path.join(directory, 'relay.yaml');
  writeFileSync(file, level('info'));
  const { config, reads, levels, reload } = watching(file);
  writeFileSync(file, 'log:\n  level: loud\ndeadLetters:\n  policy: park-key\n');
  for (let n = 0; n < 4; n++) reload.look();
  expect(reads).toMatchObject([{ result: 'rejected', failure: { code: 'CONFIG_INVALID' } }]);
  expect([config.log.level, config.deadLetters.policy, levels]).toEqual(['info', 'dead-letter', []]);
});

test('what needs a restart is named as long as it differs', () => {
  const file = path.join(directory, 'relay.yaml');
  writeFileSync(file, level('info'));
  const { reads, reload } = watching(file);
  writeFileSync(file, `${level('info')}publish:\n  lingerMs: 9\n`);
  reload.reload();
  reload.reload();
  writeFileSync(file, level('info'));
  reload.reload();
  const waiting = { result: 'unchanged', applied: [], needRestart: ['publish.lingerMs'] };
  expect(reads).toEqual([waiting, waiting, { ...waiting, needRestart: [] }]);
});

test('a directory that is swapped behind a symbolic link is seen, as Kubernetes swaps a ConfigMap', () => {
  const mount = (name: string, text: string) => {
    const own = mkdtempSync(path.join(directory, name));
    writeFileSync(path.join(own, 'relay.yaml'), text);
    symlinkSync(own, path.join(directory, 'next'));
    renameSync(path.join(directory, 'next'), path.join(directory, '..data'));
  };
  mount('one', level('info'));
  const file = path.join(directory, 'relay.yaml');
  symlinkSync(path.join('..data', 'relay.yaml'), file);
  const { config, reload } = watching(file);
  mount('two', level('warn'));
  reload.look();
  reload.look();
  expect(config.log.level).toBe('warn');
});
