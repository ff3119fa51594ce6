/** A relay as a process: what it logs, and how it ends. It reaches no server here, and needs none. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  describeExit,
  RelayProcess,
  relayEnv,
  runCommand,
  settingsEnv,
} from '../../harness/relay-process.ts';
import { openRun } from '../../stack/run.ts';

/** A port without a server: the relay starts, and retries. */
const nowhere = {
  databaseUrl: 'postgres://u:p@127.0.0.1:1/x',
  brokers: ['127.0.0.1:1'],
  registryUrl: 'http://127.0.0.1:1',
};

function start(settings = {}, others = {}): RelayProcess {
  const env = relayEnv(nowhere, { HTTP_PORT: 0, TOPICS_ALLOW: 'x', ...settings });
  const relay = new RelayProcess({ env, ...others });
  onTestFinished(async () => void (await relay.kill()));
  return relay;
}

test('settings become environment variables', () => {
  expect(settingsEnv({ SLOT: 'x', HTTP_PORT: 0, TOPICS_CREATE: false })).toEqual({
    OUTBOX_RELAY_SLOT: 'x',
    OUTBOX_RELAY_HTTP_PORT: '0',
    OUTBOX_RELAY_TOPICS_CREATE: 'false',
  });
});

test('a line is found whether it is past or to come, until the relay ends', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'relay-process-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const logFile = path.join(folder, 'relay.log');
  const relay = start({}, { logFile });
  const { msg } = await relay.line(({ msg: text }) => text === 'started');
  expect(await relay.line(({ msg: text }) => text === msg)).toBe(
    relay.lines.find(({ msg: text }) => text === msg),
  );
  expect(await readFile(logFile, 'utf8')).toContain('"msg":"started"');
  expect((await relay.ready()).status).toBe(503);
  await expect(relay.metric('outbox_relay_no_such')).rejects.toThrow('no metric outbox_relay_no_such');
  expect(await relay.metric('outbox_relay_events_published_total')).toBe(0);
  const waiting = relay.streaming();
  relay.signal('SIGKILL');
  await expect(waiting).rejects.toThrow('ended with signal SIGKILL');
  expect(() => relay.assertRunning()).toThrow('the relay ended');
});

test('what it prints to stderr is kept', async () => {
  const relay = start({ KAFKA_COMPRESSION: 'none-such' });
  expect(describeExit(await relay.exited)).toBe('exit code 64');
  expect(relay.tail).toContain('OUTBOX_RELAY_KAFKA_COMPRESSION');
});

test('the end of a run ends the relay that belongs to it', async () => {
  const run = await openRun();
  const relay = start({}, { run });
  await relay.line(({ msg }) => msg === 'started');
  await run.end();
  expect(await relay.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('a command runs to its end', async () => {
  const { code, stdout, stderr } = await runCommand(relayEnv(nowhere, {}), '--help');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain('Usage');
});
