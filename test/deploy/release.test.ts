import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  filesOfPlace,
  placeFault,
  placeFaults,
  placeOf,
  publishedFiles,
  withPlace,
} from '../../deploy/place.ts';
import { faultsOf, imageFault, notesOf, withImage } from '../../deploy/release.ts';

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

describe('the place where it is published', () => {
  const texts = async () =>
    new Map(
      await Promise.all(
        [...filesOfPlace, ...publishedFiles].map(async (file) => [file as string, await read(file)] as const),
      ),
    );
  const given = 'acme/outbox-relay';
  const release = (...args: readonly string[]): Promise<{ code: number; stderr: string }> =>
    promisify(execFile)(process.execPath, ['deploy/release.ts', ...args], {
      cwd: root,
      env: { ...process.env, GITHUB_REPOSITORY: given },
    }).then(
      ({ stderr }) => ({ code: 0, stderr }),
      ({ code, stderr }) => ({ code, stderr }),
    );

  test('is refused while a placeholder stands, with a line for each file', async () => {
    const all = await texts();
    const faults = placeFaults(all);
    expect(faults).toHaveLength(filesOfPlace.length);
    expect(faults[0]).toMatch(/^package\.json:\d+ has a placeholder: "url": /);
    // The links of alerts to their pages, too.
    expect(faults).toContainEqual(
      expect.stringMatching(/outbox-relay\.rules\.yaml:\d+ has a placeholder \(\d\d more in the file\): /),
    );
  });

  test('is right once it is given, in every file that has it', async () => {
    const all = await texts();
    const before = placeOf(all.get('package.json')!)!;
    for (const file of filesOfPlace) {
      expect(all.get(file), file).toContain(before);
      all.set(file, withPlace(all.get(file)!, before, given));
    }
    expect(placeFaults(all)).toEqual([]);
    expect(placeOf(all.get('package.json')!)).toBe(given);
    const other = all.get('SECURITY.md')!.replace(given, 'someone/outbox-relay');
    expect(placeFaults(all.set('SECURITY.md', other))).toEqual([
      expect.stringContaining(`names another place than ${given}`),
    ]);
  });

  test.each([
    'helm/outbox',
    'docs/guides',
    'deploy/helm',
    'acme/x.gitops',
    'acme/x.git.y',
    'acme/outbox',
    'Shop/Relay.v2',
  ])('%s is given and taken back, and no path is taken for it', async (place) => {
    const before = await texts();
    const from = placeOf(before.get('package.json')!)!;
    let holders = 0;
    for (const file of filesOfPlace) {
      const text = before.get(file)!;
      const moved = withPlace(text, from, place);
      // No other line is changed.
      for (const [index, line] of moved.split('\n').entries())
        if (line !== text.split('\n')[index]) holders++;
      expect(moved).not.toContain(from);
      expect(withPlace(withPlace(moved, place, given), given, from), file).toBe(text);
    }
    expect(holders).toBeGreaterThan(30);
  });

  test('of an owner whose name ends like the placeholder is no placeholder', async () => {
    const own = 'PRODUCT-OWNER/outbox-relay';
    const all = await texts();
    const before = placeOf(all.get('package.json')!)!;
    for (const file of filesOfPlace) all.set(file, withPlace(all.get(file)!, before, own));
    expect([placeFault(own), placeFaults(all)]).toEqual([undefined, []]);
  });

  test.each([
    'https://github.com/acme',
    'acme',
    'acme/',
    'acme/outbox relay',
    'acme/outbox-relay/main',
    'acme/..',
    'acme/outbox-relay.git',
    'acme/outbox-relay.GIT',
    'acme/outbox-relay.',
    'acme-/outbox-relay',
    '$&/x',
    '',
    'OWNER/outbox-relay',
  ])('%j is refused by name, and no file is changed', async (place) => {
    expect(placeFault(place)).toBeDefined();
    const before = await texts();
    expect(await release('place', place)).toEqual({
      code: 64,
      stderr: expect.stringMatching(/^error: .*place.*\n$/),
    });
    expect(await texts()).toEqual(before);
  });

  test('takes one name, and nothing beside it', async () => {
    expect(await release('place', 'acme', 'outbox-relay')).toEqual({
      code: 64,
      stderr: expect.stringMatching(/^usage: /),
    });
  });

  test('must be one that npm reads', () => {
    for (const repository of [undefined, 'acme/outbox-relay', { url: 'https://example.org/x.git' }])
      expect(placeFaults(new Map([['package.json', JSON.stringify({ repository })]]))).toEqual([
        expect.stringContaining('repository.url must be'),
      ]);
  });

  test('stands in no file that this does not know', async () => {
    const { stdout } = await promisify(execFile)('git', ['grep', '-lE', 'OWNER/[a-zA-Z]'], { cwd: root });
    const known = [...filesOfPlace, 'deploy/place.ts', 'test/deploy/release.test.ts'];
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((file) => !(known as string[]).includes(file)),
    ).toEqual([]);
  });

  test('stops the release, which names what is wrong', async () => {
    const { code, stderr } = await release('check', 'v0.1.0');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: SECURITY\.md:\d+ has a placeholder \(\d more in the file\): /m);
    expect(stderr).toContain(`this is ${given}`);
  });
});

test('the workflow publishes nothing before the check, which every job that publishes waits for', async () => {
  const { jobs } = parse(await read('.github/workflows/release.yml')) as {
    jobs: Record<string, { needs?: string | string[]; steps?: { run?: string }[] }>;
  };
  const runsCheck = Object.keys(jobs).filter((name) =>
    jobs[name]!.steps?.some(({ run }) => run?.includes('release.ts check')),
  );
  expect(runsCheck).toEqual(['ready']);
  const waitsFor = (name: string): string[] =>
    [jobs[name]?.needs ?? []].flat().flatMap((each) => [each, ...waitsFor(each)]);
  for (const name of ['package', 'image', 'chart', 'announce']) expect(waitsFor(name)).toContain('ready');
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
  expect(imageFault('ghcr.io/Shop/Relay', digest)).toBeUndefined();
  expect(imageFault('ghcr.io/shop/relay', 'latest')).toMatch('not a digest');
  expect(imageFault('', digest)).toMatch('not a repository');
});
