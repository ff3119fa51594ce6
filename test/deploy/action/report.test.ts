import { expect, test } from 'vitest';
import { report } from '../../../deploy/action/report.ts';

const answer = (code: number, stdout: unknown, stderr = '') => ({
  code,
  stdout: typeof stdout === 'string' ? stdout : JSON.stringify(stdout),
  stderr,
});
const file = 'order/Placed.avsc';
const checked = (status: string, more: object = {}) =>
  answer(status === 'incompatible' ? 1 : 0, {
    schemas: [{ file, subject: 's', status, level: 'FULL', findings: [], warnings: [], ...more }],
  });
const diffed = (status: string, differences: object[] = []) =>
  answer(status === 'same' ? 0 : 1, { schemas: [{ file, subject: 's', status, differences }] });

test('nothing changed', () => {
  expect(report({ check: checked('unchanged'), diff: diffed('same') })).toEqual({
    ok: true,
    isChanged: false,
    text: '## Schemas: no changes',
  });
});

test('a command that could not answer closes the gate, whatever the others say', () => {
  const away = answer(69, '', 'error REGISTRY_UNAVAILABLE: …');
  for (const answers of [
    { check: away, diff: diffed('same') },
    { check: checked('unchanged'), diff: away },
    { check: checked('unchanged'), diff: diffed('same'), types: away },
  ])
    expect(report(answers)).toMatchObject({
      ok: false,
      text: expect.stringContaining('REGISTRY_UNAVAILABLE'),
    });
});

test('a change that was not compared is no compatible one', () => {
  const verdict = report({ check: checked('compatible', { level: 'NONE' }), diff: diffed('changed') });
  expect(verdict.text).toContain('**not compared**');
});

test('what a schema says makes no Markdown of its own', () => {
  const finding = {
    path: '$.`x`',
    explanation: '<img src=x> @team [link](http://x) | **bold**',
    remedy: 'none\n# heading',
  };
  const differences = [{ path: '$.a', kind: 'doc', before: '```', after: '````\n# out' }];
  const { text } = report({
    check: checked('incompatible', { findings: [finding] }),
    diff: diffed('changed', differences),
  });
  expect(text).toContain('\\<img src=x\\> @\u200bteam \\[link\\](http://x) \\| \\*\\*bold\\*\\*');
  expect(text).not.toMatch(/^# heading/m);
  expect(text).toContain('`````diff\n');
});

test('a text that GitHub would refuse for its length is cut, and says so', () => {
  const differences = Array.from({ length: 5_000 }, (_, n) => ({
    path: `$.field${n}`,
    kind: 'added',
    before: null,
    after: 'string',
  }));
  const { text } = report({ check: checked('compatible'), diff: diffed('changed', differences) });
  expect(text.length).toBeLessThan(65_536);
  expect(text).toContain('outbox-relay schemas diff');
});
