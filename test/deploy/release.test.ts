import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { faultsOf, notesOf, withImage } from '../../deploy/release.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFile(join(root, file), 'utf8');

const changelog =
  '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2030-01-01\n\n### Added\n\n- A thing.\n\n## [1.2.2]\n\n- x\n';
const sources = {
  manifest: '{"version": "1.2.3"}',
  chart: 'name: outbox-relay\nversion: 1.2.3\nappVersion: 1.2.3\n',
  changelog,
};

describe('a tag can be released', () => {
  test('where package, chart and changelog have its version', () => {
    expect(faultsOf('v1.2.3', sources)).toEqual([]);
  });

  test.each([
    ['v1.2', {}, 'not a tag such as'],
    ['v1.2.3', { manifest: '{"version": "1.2.4"}' }, 'package.json has version 1.2.4'],
    ['v1.2.3', { manifest: '{"version": "1.2.3", "private": true}' }, 'private'],
    ['v1.2.3', { chart: 'version: 1.2.3\nappVersion: 1.2.2\n' }, 'Chart.yaml has 1.2.3 and 1.2.2'],
    ['v1.2.3', { changelog: '## [Unreleased]\n' }, 'CHANGELOG.md has no section for 1.2.3'],
  ])('but %s not with %j', (tag, changed, fault) => {
    expect(faultsOf(tag, { ...sources, ...changed })).toEqual([expect.stringContaining(fault)]);
  });

  test('the files of the repository are read, and lack nothing but a section of the changelog', async () => {
    const manifest = await read('package.json');
    const tag = `v${JSON.parse(manifest).version}`;
    const own = {
      manifest,
      chart: await read('deploy/helm/outbox-relay/Chart.yaml'),
      changelog: await read('CHANGELOG.md'),
    };
    for (const fault of faultsOf(tag, own)) expect(fault).toMatch(/^CHANGELOG\.md has no section/);
    expect(own.changelog).toMatch(/^## \[Unreleased\]$/m);
  });
});

test('the notes are the section of the version, and no other', () => {
  expect(notesOf('1.2.3', changelog)).toBe('### Added\n\n- A thing.');
  expect(notesOf('1.2', changelog)).toBeUndefined();
});

test('the chart of a release names its image by digest', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const values = parse(
    withImage(await read('deploy/helm/outbox-relay/values.yaml'), 'ghcr.io/Shop/Relay', digest),
  );
  expect(values.image).toMatchObject({ repository: 'ghcr.io/shop/relay', digest });
  expect(() => withImage('', 'x', 'latest')).toThrow('not a digest');
});
