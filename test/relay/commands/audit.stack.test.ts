import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { auditCommand } from '../../../relay/commands/audit.ts';
import type { Config } from '../../../relay/config/config.ts';
import { exitCodes } from '../../../relay/errors.ts';
import type { StandingReport } from '../../../relay/operations/audit.ts';
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
