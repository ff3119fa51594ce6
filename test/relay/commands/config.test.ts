import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { template } from '../../../relay/commands/config.ts';
import { loadConfig, settings } from '../../../relay/config/config.ts';
import { runCli } from './cli.ts';

const env = {
  DATABASE_URL: 'postgres://relay:sesame@db:5432/shop',
  KAFKA_BROKERS: 'kafka:9092',
  SCHEMA_REGISTRY_URL: 'http://relay:sesame@registry:8081',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-relay-template-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function loadText(text: string) {
  const file = join(folder, 'relay.yaml');
  writeFileSync(file, text);
  return loadConfig({ file, env });
}

test('the template as it is changes nothing', () => {
  expect(loadText(template()).config).toEqual(loadConfig({ env }).config);
});

test('the template with every key put in force has the defaults, each from the file', () => {
  const inForce = template().replace(/^( *)# (\w+: \S)/gm, '$1$2');
  const { config, provenance } = loadText(inForce);
  expect(config).toEqual(loadConfig({ env }).config);
  for (const { path, default: fallback } of settings)
    if (fallback !== undefined) expect(provenance.get(path.join('.'))).toMatch(/relay\.yaml$/);
});

test('a table shows value, source, variable and when it changes of each setting, and no secret', async () => {
  const { code, stdout } = await runCli(['config'], {
    ...env,
    OUTBOX_RELAY_REGISTRY_USERNAME: 'ali',
    OUTBOX_RELAY_REGISTRY_PASSWORD: 'sesame',
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^KEY +VALUE +SOURCE +ENVIRONMENT +CHANGES$/m);
  expect(stdout).toMatch(
    /^database\.url +postgres:\/\/relay:\*\*\*@db:5432\/shop +DATABASE_URL +DATABASE_URL +after a restart$/m,
  );
  expect(stdout).toMatch(/^log\.level .* at once$/m);
  expect(stdout).toMatch(/^registry\.password +\*\*\* +OUTBOX_RELAY_REGISTRY_PASSWORD/m);
  expect(stdout.trimEnd().split('\n')).toHaveLength(settings.length + 1);
});

test('what is not set is shown as that, not refused', async () => {
  const { code, stdout } = await runCli(['config', '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toContainEqual({
    key: 'kafka.brokers',
    value: '',
    source: 'not set',
    env: 'KAFKA_BROKERS',
    reload: false,
  });
});
