/** Who installed the package has no clone: what guides and hints tell people to run must not need one. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hints } from '../../relay/errors.ts';

const root = join(import.meta.dirname, '../..');
/** Of a file that only a clone has at this path, where it is to be run. */
const runsFile = /(?:-f|(?<!vitest )\b[Rr]un|\bsource)\s+[`[]?(?:migrations|deploy|docs|test)\//;
/** These say that they are about a clone. */
const aboutClones = ['releases.md'];

test('no hint tells people to run a file of the repository', () => {
  expect(Object.entries(hints).filter(([, hint]) => runsFile.test(hint))).toEqual([]);
});

test('no guide does', () => {
  const guides = globSync('docs/guides/*.md', { cwd: root }).filter(
    (file) => !aboutClones.some((name) => file.endsWith(`/${name}`)),
  );
  expect(guides.length).toBeGreaterThan(20);
  expect(guides.filter((file) => runsFile.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});
