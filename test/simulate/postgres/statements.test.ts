import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { Database, Transaction } from '../../../simulate/postgres/database.ts';
import { known, statementOf } from '../../../simulate/postgres/statements.ts';
import { Scheduler } from '../../../simulate/scheduler.ts';

const root = join(import.meta.dirname, '../../../relay');
const rooms = 'audit|capture|connect|ledger|operations|recover|session|status|transaction|upkeep';
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
const declared = sources.flatMap(({ text }) => {
  return [...text.matchAll(new RegExp(`[(\\s]'((?:${rooms})\\.[a-z_]+)',`, 'g'))].map(([, name]) => name!);
});

test('everything but the start of the stream goes to Postgres through its one door', () => {
  const past = sources.filter(
    ({ file, text }) => !file.startsWith('connect/postgres/') && /\.query[<(]/.test(text),
  );
  expect(past.map(({ file }) => file)).toEqual(['capture/capture.ts']);
});

test('no two statements of the relay have the same name', () => {
  expect(declared.length).toBeGreaterThan(Object.keys(known).length);
  expect(declared.filter((name, index) => declared.indexOf(name) !== index)).toEqual([]);
});

test('the model has no statement that the relay does not have', () => {
  expect(Object.keys(known).filter((name) => !declared.includes(name))).toEqual([]);
});

test('a statement that the model does not know is an error', () => {
  expect(() => statementOf('ledger.nobody_declared_it')).toThrow('ledger.nobody_declared_it');
});

test('the marks show a session only once all of its beginning is committed, and a heartbeat likewise', () => {
  const database = new Database({ scheduler: new Scheduler(), random: new Random(1), nowMs: () => 0 });
  const run = (name: string, transaction: Transaction, values: unknown[] = []) =>
    statementOf(name).run(database, values, transaction);
  const marks = () => run('ledger.read_marks', new Transaction())[0];
  const nothing = { initialised: false, session: null, beat: '0' };
  const [beginning, beating] = [new Transaction(), new Transaction()];
  run('ledger.store_progress_copy', beginning);
  run('ledger.begin_session', beginning);
  run('ledger.write_heartbeat', beating, ['simulated', 0]);
  expect(marks()).toMatchObject(nothing);
  for (const act of beginning.atCommit) act();
  expect(marks()).toMatchObject({ initialised: true, session: '1', beat: '0' });
  for (const act of beating.atCommit) act();
  expect(marks()).toMatchObject({ initialised: true, session: '1', beat: '1' });
});
