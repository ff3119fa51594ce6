import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
/** They say what they are about, as CONTRIBUTING.md lists them. */
const others = /^((?:relay|console)\/whole|migrations|security|docs|code|mutants)\b|^(\w+)\/\2\./;

/** `recover-judgement` may test `recover-judgement.ts` or `recover.ts`. */
function sourcesOf(file: string): string[] {
  const words = basename(file).split('.')[0]!.split('-');
  return words.map((_, n) => `${words.slice(0, n + 1).join('-')}.ts`);
}

test('each test has the name of the file it tests', () => {
  const files = globSync('**/*.test.ts', { cwd: join(root, 'test') }).filter((file) => !others.test(file));
  expect(files.length).toBeGreaterThan(100);
  const isFound = (file: string) =>
    sourcesOf(file).some((source) =>
      [root, join(root, 'test')].some((from) => existsSync(join(from, dirname(file), source))),
    );
  expect(files.filter((file) => !isFound(file))).toEqual([]);
});
