import { expect, test } from 'vitest';
import { RequestInvalid } from '../../../../relay/errors.ts';
import { patchedPayload } from '../../../../relay/operations/dead-letters/fix.ts';
import type { Letter } from '../../../../relay/operations/dead-letters/letter.ts';
import { learn } from '../../../../relay/operations/dead-letters/one.ts';
import { RefusedGroups } from '../../../../relay/operations/dead-letters/refused-groups.ts';

const holding = (payload: string | null) => ({
  letter: { leftOut: null } as Letter,
  content: { payload, headers: null, createdAt: null },
});
const patch = '[{"op":"add","path":"/a","value":1}]';

test.each([
  ['no JSON', 'secret-value', 'is not JSON'],
  [
    'nested more deeply than a stack',
    `{"b":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'nested too deeply',
  ],
])('a payload that is %s takes no patch, and the others of its page still do', (_, payload, why) => {
  const patched = () => patchedPayload(holding(payload), patch);
  expect(patched).toThrow(RequestInvalid);
  expect(patched).toThrow(why);
  expect(patched).not.toThrow('secret-value');
});

test('a server that does not answer is given up, and one that does is not', async () => {
  const silent = await learn(() => new Promise<never>(() => {}), 'KAFKA_UNAVAILABLE', 10);
  expect(silent).toMatchObject({
    failure: { code: 'KAFKA_UNAVAILABLE', message: 'no answer within 0.01 s' },
  });
  expect(await learn(async () => 7, 'KAFKA_UNAVAILABLE')).toEqual({ value: 7 });
});

test('reasons without end are counted together', () => {
  const groups = new RefusedGroups();
  for (let bytes = 0; bytes < 1_000; bytes++)
    groups.add({ code: 'RECORD_TOO_LARGE', path: null, message: `the row has ${bytes} bytes` });
  for (let index = 0; index < 3; index++)
    groups.add({ code: 'RECORD_TOO_LARGE', path: null, message: 'the row has 7 bytes' });
  expect(groups.list).toHaveLength(201);
  expect(groups.list[0]).toMatchObject({ message: 'the row has 7 bytes', count: 4 });
  expect(groups.list.at(-1)).toMatchObject({ message: 'other reasons', count: 800 });
});
