import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import type { AuditReport } from '../../../relay/audit/audit.ts';
import { verifyCommand } from '../../../relay/commands/verify.ts';
import type { Config } from '../../../relay/config/config.ts';
import { exitCodes } from '../../../relay/errors.ts';
import { openScene } from '../audit/scene.ts';
import { openWriter } from '../audit/topics.ts';

afterEach(() => {
  process.exitCode = undefined; // the command sets it, and this process is the test's
});

async function run(config: Config, ...args: string[]) {
  let output = '';
  const command = verifyCommand(() => ({ config, provenance: new Map() })).configureOutput({
    writeOut: (text) => {
      output += text;
    },
  });
  await new Command().addCommand(command).parseAsync(['verify', ...args], { from: 'user' });
  return { output, exitCode: process.exitCode };
}

test('verify prints a report and leaves the exit code alone when there are no findings', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  const { output, exitCode } = await run(scene.config);
  expect(output).toMatch(/^missing +0$/m);
  expect(output).toMatch(/^events in the table +1 /m);
  expect(output).toContain('ok: every event');
  expect(exitCode).toBeUndefined();
});

test('verify names the first twenty ids of a kind, says how many more there are, and exits with 1', async () => {
  await using scene = await openScene();
  const ids = await scene.insert(23);
  await scene.writer.commit(await scene.progress());
  const { output, exitCode } = await run(scene.config);
  expect(ids.filter((id) => output.includes(id))).toHaveLength(20);
  expect(output).toContain('and 3 more');
  expect(output).toContain('FAILED: 23 missing');
  expect(exitCode).toBe(exitCodes.findings);
});

test('verify says how many records are of other producers, and where the first of each topic is', async () => {
  await using scene = await openScene();
  await using other = await openWriter();
  const [id] = await scene.insert();
  const theirs = { key: 'k', value: Buffer.from('?'), partition: 1 };
  await other.commit(scene.events(theirs, theirs));
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  const { output, exitCode } = await run(scene.config);
  expect(output).toMatch(/^from other producers +2 {2}not judged$/m);
  expect(output).toContain(`    2 in ${scene.topic}; the first, at partition 1 offset 0: no header id\n`);
  expect(output).toMatch(/^ok: .*; 2 records of other producers not judged$/m);
  expect(exitCode).toBeUndefined();
});

test('verify lists apart what was written before the relay first started, for no slot was there to stream it', async () => {
  await using scene = await openScene();
  await scene.insert(3);
  await scene.startNow();
  const [id] = await scene.insert();
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  const { output, exitCode } = await run(scene.config);
  expect(output).toMatch(/^before the first start +3 +not judged$/m);
  expect(output).toContain('ok: every event since the relay first started is published exactly once');
  expect(exitCode).toBeUndefined();
});

test('verify --json prints one object with up to --max-ids ids of each kind', async () => {
  await using scene = await openScene();
  await scene.insert(3);
  const leaked = randomUUID();
  await scene.writer.commit(scene.events(scene.record(leaked)), await scene.progress());
  const { output, exitCode } = await run(scene.config, '--json', '--max-ids', '2', '--expect-all');
  const report: AuditReport = JSON.parse(output);
  expect(report.ok).toBe(false);
  expect(report.findings.missing.count).toBe(3);
  expect(report.findings.missing.first).toHaveLength(2);
  expect(report.findings.leaked).toEqual({ count: 1, first: [leaked] });
  expect(exitCode).toBe(exitCodes.findings);
});

test('verify says that events wait, and that this is normal, when the progress does not get there', async () => {
  await using scene = await openScene();
  await scene.insert(2);
  await scene.writer.commit(await scene.progress({ endLsn: 1n }));
  const { output, exitCode } = await run(scene.config, '--wait-seconds', '0');
  expect(output).toContain('ok so far: 2 events not yet published, which is normal');
  expect(exitCode).toBeUndefined();
});

test('verify does not succeed for a slot without progress, or with that of another cluster, and says which', async () => {
  await using scene = await openScene();
  const ids = await scene.insert(2);
  await scene.writer.commit(scene.events(...ids.map((id) => scene.record(id))), await scene.progress());
  await scene.insert();
  const other = { ...scene.config, slot: { ...scene.config.slot, name: 'nosuch' } };
  const unknown = await run(other, '--wait-seconds', '0');
  expect(unknown.output).toMatch(
    /^NOT PROVEN: \d events? not yet published, and Kafka has no progress of this slot/m,
  );
  expect(unknown.exitCode).toBe(exitCodes.findings);
  process.exitCode = undefined;
  await scene.writer.commit(await scene.progress({ systemIdentifier: '42' }));
  const moved = await run(scene.config, '--wait-seconds', '0');
  expect(moved.output).toMatch(/^NOT PROVEN: the progress belongs to another Postgres cluster/m);
  expect(moved.exitCode).toBe(exitCodes.findings);
});

test('verify says that it verified nothing where the table is empty, and calls that no success', async () => {
  await using scene = await openScene();
  await scene.writer.commit(scene.events(scene.record(randomUUID())), await scene.progress());
  const { output } = await run(scene.config);
  expect(output).toMatch(/^older than the table +1 +not judged$/m);
  expect(output).toContain('nothing verified: the table holds no events');
  expect(output).not.toContain('ok');
});

test('verify shows where a record differs from its row, clean of what acts on a terminal, and no value', async () => {
  await using scene = await openScene();
  const id = await scene.insertRow({ payload: '{"total":77777}' });
  const strange = 'x\u001b[2K\ny';
  await scene.writer.commit(
    scene.events(scene.record(id), { ...scene.record(strange), key: 'k' }),
    await scene.progress(),
  );
  const { output, exitCode } = await run(scene.config);
  expect(output).toMatch(
    new RegExp(`${id} at \\S+/0 offset 0, position [0-9a-f.]{25}: \\$\\.total: a different long$`, 'm'),
  );
  expect(output).toContain('x·[2K·y');
  expect(output).not.toContain('77777');
  expect(exitCode).toBe(exitCodes.findings);
  expect((await run(scene.config, '--no-content')).output).toMatch(
    /^compared with their rows +0 +not judged/m,
  );
});

test('verify fails with KAFKA_UNAVAILABLE when no broker answers', async () => {
  await using scene = await openScene();
  const config = { ...scene.config, kafka: { ...scene.config.kafka, brokers: ['127.0.0.1:1'] } };
  await expect(run(config)).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' });
});
