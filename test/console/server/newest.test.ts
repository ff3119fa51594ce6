import { expect, test } from 'vitest';
import { Newest } from '../../../console/server/newest.ts';
import { withResolvers } from '../../../relay/model/builtins.ts';

/** A page that reads one event each time it is asked. */
function slowPage() {
  const sent: string[] = [];
  let read = withResolvers<void>();
  const writeSSE = ({ event, data }: { event?: string; data: string | Promise<string> }) => {
    sent.push(`${event} ${String(data)}`);
    return read.promise;
  };
  const readOne = async () => {
    const { resolve } = read;
    read = withResolvers<void>();
    resolve();
    await new Promise((done) => setImmediate(done));
  };
  return { sent, readOne, newest: new Newest({ writeSSE }, () => {}) };
}

test('a page that reads slowly gets the newest of each kind, however many there were', async () => {
  const { sent, readOne, newest } = slowPage();
  let isOver = false;
  for (let n = 0; n < 10_000; n++) void newest.send('status', n).then(() => (isOver = true));
  void newest.send('figures', 'f');
  await readOne();
  await readOne();
  expect(sent).toEqual(['status 0', 'status 9999', 'figures "f"']);
  expect(isOver).toBe(false);
  await readOne();
  expect(isOver).toBe(true);
});

test('what comes after everything was sent is sent too', async () => {
  const { sent, readOne, newest } = slowPage();
  for (const n of [1, 2]) {
    const done = newest.send('status', n);
    await readOne();
    await done;
  }
  expect(sent).toEqual(['status 1', 'status 2']);
});
