/** The pages as they are built: nothing of another host, nothing of the machine that built them, and small. */
import { globSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { builtFolder } from '../../../console/server/assets.ts';
import { buildConsole } from '../../../harness/console.ts';

const root = join(import.meta.dirname, '../../..');
/** By path in the folder. */
let files: ReadonlyMap<string, string>;

beforeAll(async () => {
  await buildConsole();
  const names = globSync('**/*.*', { cwd: builtFolder });
  files = new Map(names.map((name) => [name, readFileSync(join(builtFolder, name), 'utf8')]));
});

/** Addresses that the pages hold and never ask. */
const named = [
  // Names of XML.
  /^http:\/\/www\.w3\.org\//,
  // In the texts of React's errors.
  /^https:\/\/react\.dev\/errors\//,
  // Bases that are never asked, with which relative paths are read, and what a fault of hono points to.
  /^https?:\/\/(localhost|example\.com)?$/,
];

describe('the built pages', () => {
  test('name no address of another host', () => {
    const found = [...files].flatMap(([name, text]) =>
      [...text.matchAll(/(?:https?:|wss?:)?\/\/[a-z0-9-]+(\.[a-z0-9-]+)+[^\s"'`)\\]*/gi)].map(
        ([address]) => `${name}: ${address}`,
      ),
    );
    expect(found.filter((each) => !named.some((known) => known.test(each.split(': ')[1]!)))).toEqual([]);
    for (const [name, text] of files)
      if (name.endsWith('.css')) {
        expect(text, name).not.toMatch(/@import/);
        for (const [, url] of text.matchAll(/url\(([^)]*)\)/g))
          expect(url, name).toMatch(/^["']?(data:|\.?\/)/);
      }
  });

  test('hold no source map and no path of the machine', () => {
    expect([...files.keys()].filter((name) => !/\.(html|js|css|svg|woff2)$/.test(name))).toEqual([]);
    for (const [name, text] of files) {
      expect(text, name).not.toContain('sourceMappingURL');
      for (const path of [root, homedir(), '/node_modules/', 'file://'])
        expect(text, name).not.toContain(path);
    }
  });

  test('are under 300 KB, compressed, for the first load', async ({ annotate }) => {
    const bytesOf = (names: Iterable<string>) =>
      [...names].reduce((sum, name) => sum + brotliCompressSync(files.get(name)!).length, 0);
    const first = loadedWith('index.html', /\bnow-|\bnow\b/);
    expect(first.size).toBeGreaterThan(3);
    const kilobytes = [first, files.keys()].map((names) => `${Math.round(bytesOf(names) / 1_000)} kB`);
    await annotate(`first load ${kilobytes[0]}, all screens together ${kilobytes[1]}`);
    expect(bytesOf(first)).toBeLessThan(300_000);
  });
});

/** What a page loads at once, and what the screen that is shown first needs. @param lazy names of those that it loads later */
function loadedWith(page: string, lazy: RegExp): Set<string> {
  const loaded = new Set([page]);
  for (const name of loaded)
    for (const [, file] of files
      .get(name)!
      .matchAll(/["'`](?:\.\/)?((?:assets\/)?[\w.-]+\.(?:js|css))["'`]/g)) {
      const path = file!.startsWith('assets/') ? file! : `assets/${file}`;
      if (!files.has(path)) continue;
      const isLazy = isImportedLater(name, path);
      if (!isLazy || lazy.test(path)) loaded.add(path);
    }
  return loaded;
}

/** Whether the file only names it among what `import()` loads. */
function isImportedLater(name: string, path: string): boolean {
  if (name.endsWith('.html')) return false;
  const file = path.slice('assets/'.length).replaceAll('.', '\\.');
  return !new RegExp(`(?:from|import)\\s*["'\`]\\./${file}["'\`]`).test(files.get(name)!);
}
