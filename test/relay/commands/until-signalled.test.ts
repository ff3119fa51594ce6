import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ProcessGroup } from '../../support/process-group.ts';

const mechanism = path.join(import.meta.dirname, '../../../relay/commands/until-signalled.ts');

/** Says when it is ready and when it is asked to end; it ends with 5 when its standard input ends. */
const command = `
import { once } from 'node:events';
import { untilSignalled } from ${JSON.stringify(mechanism)};
const manner = { exitCode: 3, onSecond: () => console.log('second') };
await untilSignalled(manner, async (ending) => {
  ending.addEventListener('abort', () => console.log('asked'));
  let signals = 0;
  process.on('SIGINT', () => console.log('signal', ++signals));
  console.log('ready');
  process.stdin.resume();
  await once(process.stdin, 'end');
});
console.log('done');
process.exitCode = 5;`;

describe('a signal to the whole process group', () => {
  test('is one signal, although it arrives twice', async () => {
    await using group = new ProcessGroup(['--input-type=module', '-e', command]);
    await group.hears(/ready/);
    group.signal('SIGINT');
    await group.hears(/asked/);
    await group.hears(/signal 2/);
    group.finish();
    expect(await group.ended).toBe(5);
    expect(group.said).toContain('done');
  });

  test('ends the process at once the second time', async () => {
    await using group = new ProcessGroup(['--input-type=module', '-e', command]);
    await group.hears(/ready/);
    group.signal('SIGINT');
    await group.hears(/asked/);
    const again = setInterval(() => group.signal('SIGINT'), 100);
    await group.hears(/second/);
    clearInterval(again);
    expect(await group.ended).toBe(3);
    expect(group.said).not.toContain('done');
  });
});
