import { Command } from 'commander';
import pino from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { auditCommand } from '../../../relay/commands/audit.ts';
import type { Config } from '../../../relay/config/config.ts';
import { exitCodes } from '../../../relay/errors.ts';
import { auditContinuously, type StandingReport } from '../../../relay/operations/audit.ts';
import { openScene } from '../audit/scene.ts';

afterEach(() => {
  process.exitCode = undefined; // the command sets it, and this process is the test's
});

async function run(config: Config, ...args: string[]) {
  let output = '';
  const command = auditCommand(() => ({ config, provenance: new Map() })).configureOutput({
    writeOut: (text) => {
      output += text;
    },
  });
  await new Command().addCommand(command).parseAsync(['audit', ...args], { from: 'user' });
  return { output, exitCode: process.exitCode };
}

test('audit reports findings with their time, exits with 1, and says the same later from Postgres alone', async () => {
  await using scene = await openScene();
  const [there, absent] = await scene.insert(2);
  await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress());
  expect(await run(scene.config, '--report')).toEqual({
    output: 'no audit has run so far\n',
    exitCode: exitCodes.findings,
  });
  const once = await run(scene.config, '--once', '--wait-seconds', '0');
  expect(once.output).toMatch(/^missing +1$/m);
  expect(once.output).toMatch(/^duplicate +0$/m);
  expect(once.output).toContain(`missing: ${absent}`);
  expect(once.output).toContain('FAILED: 1 missing');
  expect(once.exitCode).toBe(exitCodes.findings);
  const { output, exitCode } = await run(scene.config, '--report', '--json');
  const report = JSON.parse(output) as StandingReport;
  expect(report.audit).toMatchObject({ missing: 1, events: 2, startedBecause: 'first run' });
  expect(report.latest).toMatchObject([{ kind: 'missing', id: absent }]);
  expect(exitCode).toBe(exitCodes.findings);
});

test('audit is no success where it verified nothing', async () => {
  await using scene = await openScene();
  await scene.insert();
  await scene.writer.commit(await scene.progress({ endLsn: 16n }));
  const { output, exitCode } = await run(scene.config, '--once', '--wait-seconds', '0');
  expect(output).toContain('nothing verified so far; the last run was held back: the progress is at 0/10');
  expect(exitCode).toBe(exitCodes.findings);
});

test('audit --once --start now succeeds once it has begun, and a report does once something is verified', async () => {
  await using scene = await openScene();
  await scene.writer.commit(await scene.progress());
  const begun = await run(scene.config, '--once', '--start', 'now', '--by', 'ada', '--reason', 'new topics');
  expect(begun.output).toContain('nothing verified so far; the next run verifies what is committed since');
  expect(begun.exitCode).toBeUndefined();
  expect(await run(scene.config, '--report')).toMatchObject({ exitCode: exitCodes.findings });
  process.exitCode = undefined;
  expect(await run(scene.config, '--once')).toMatchObject({ exitCode: undefined });
  expect(await run(scene.config, '--report')).toMatchObject({ exitCode: undefined });
  const trail = await scene.database.pool.query('select action, target, person, note from outbox.trail');
  expect(trail.rows).toEqual([{ action: 'audit-start', target: 'now', person: 'ada', note: 'new topics' }]);
});

test('audit --once --start now is no success where it could not begin, and then nothing is in the trail', async () => {
  await using scene = await openScene();
  await scene.writer.commit(await scene.progress({ endLsn: 16n }));
  await run(scene.config, '--once', '--wait-seconds', '0');
  process.exitCode = undefined;
  const { output, exitCode } = await run(scene.config, '--once', '--start', 'now', '--wait-seconds', '0');
  expect(output).toContain('the last run was held back: asked to start now; the progress is at 0/10');
  expect(exitCode).toBe(exitCodes.findings);
  expect((await scene.database.pool.query('select from outbox.trail')).rowCount).toBe(0);
});

test('audit that keeps running begins as asked once it can, and only once', async () => {
  await using scene = await openScene();
  await scene.writer.commit(await scene.progress({ endLsn: 16n }));
  await run(scene.config, '--once', '--wait-seconds', '0');
  const ending = new AbortController();
  const config = { ...scene.config, audit: { ...scene.config.audit, httpPort: 0 } };
  const start = { from: 'now', person: 'ada', reason: null } as const;
  const log = pino({ level: 'silent' });
  const { signal } = ending;
  const running = auditContinuously({ config, log, signal, start, waitMs: 0, everyMs: 20 });
  const { pool } = scene.database;
  const untilAudit = (condition: string) =>
    vi.waitFor(
      async () => expect((await pool.query(`select from outbox.audit where ${condition}`)).rowCount).toBe(1),
      { timeout: 30_000, interval: 50 },
    );
  await untilAudit(`held_back like 'asked to start now; %'`);
  await scene.writer.commit(await scene.progress());
  await untilAudit(`started_because = 'asked to start now' and windows > 0`);
  ending.abort();
  await running;
  expect((await pool.query('select from outbox.trail')).rowCount).toBe(1);
});
