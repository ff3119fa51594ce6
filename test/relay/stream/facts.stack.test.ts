/** What a relay says of its work on real servers: the facts, in their order, with nothing of a row in them. */
import pino from 'pino';
import { expect, test, vi } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import { RegistryClient } from '../../../relay/encode/registry/registry-client.ts';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { Health } from '../../../relay/observe/health.ts';
import { createObserver } from '../../../relay/observe/listeners.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import type { RelayObserver } from '../../../relay/observe/observer.ts';
import { Relay } from '../../../relay/relay.ts';
import { World } from '../world.ts';

type Said = { readonly name: string; readonly fact: Record<string, unknown> };

/** Hears every fact of these. */
function noteAll(said: Said[], names: readonly (keyof RelayObserver)[]): RelayObserver {
  const note = (name: string) => (fact: object) => void said.push({ name, fact: { ...fact } });
  return Object.fromEntries(names.map((name) => [name, note(name)]));
}

const path = ['captured', 'encoded', 'committed', 'deadLettered', 'acknowledged'] as const;

test('an event is captured, encoded, committed, acknowledged; a refused one is dead-lettered with a line in the log', async () => {
  await using world = await World.create(1);
  const { config } = loadConfig({ env: world.env });
  const said: Said[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const outputs = {
    logs: componentLogs(log),
    metrics: createMetrics({ process: false }),
    health: new Health({ notReadyAfterMs: 1 }),
  };
  const observer = createObserver(outputs, [
    { name: 'test', hears: noteAll(said, [...path, 'entered', 'sessionBegun', 'drained']) },
  ]);
  const registry = new RegistryClient(config.registry);
  const relay = new Relay({ config, instance: 'test', log, observer, registry });
  const ending = new AbortController();
  const ended = relay.run(ending.signal);
  await using _ended = {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await ended;
    },
  };
  const heard = (wanted: string) =>
    vi.waitFor(() => expect(said.some(({ name }) => name === wanted)).toBe(true), { timeout: 30_000 });
  await heard('sessionBegun');
  await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     values ('item', 'secret key', 'test.ItemMoved', '{"key":"secret","seq":1}'),
            ('item', 'secret key', 'test.ItemMoved', '{"key":"secret","seq":"no"}')`,
  );
  await heard('deadLettered');
  ending.abort();
  await ended;

  const states = said.filter(({ name }) => name === 'entered').map(({ fact }) => fact.state);
  expect(states).toEqual(['standby', 'fencing', 'claiming', 'lineage', 'streaming', 'draining']);
  const first = said.findIndex(({ name, fact }) => name === 'captured' && fact.events === 2);
  const { commitLsn, committedAtMs } = said[first]!.fact;
  const commit = said.findIndex(({ name, fact }) => name === 'committed' && fact.events === 1);
  // Heartbeats come between these two, but nothing comes between the facts of one commit.
  const encoded = said.findIndex(({ name, fact }) => name === 'encoded' && fact.commitLsn === commitLsn);
  const refused = { commitLsn, ordinal: 1, code: 'PAYLOAD_INVALID', topic: world.topic };
  expect(first < encoded && encoded < commit).toBe(true);
  expect([said[encoded], ...said.slice(commit, commit + 3)]).toMatchObject([
    {
      name: 'encoded',
      fact: { committedAtMs, records: [{ topic: world.topic, partition: 0 }], refused: [refused] },
    },
    { name: 'committed', fact: { events: 1, deadLetters: 1, committedAtMs: [committedAtMs] } },
    { name: 'deadLettered', fact: { events: [refused] } },
    { name: 'acknowledged' },
  ]);
  const everything = JSON.stringify([said, lines], (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  expect(everything).not.toContain('secret');
  expect(lines).toContainEqual(
    expect.objectContaining({
      msg: 'stored dead letters',
      deadLetters: 1,
      codes: { PAYLOAD_INVALID: 1 },
      firstPosition: expect.stringMatching(/^[0-9a-f]{16}\.00000001$/),
    }),
  );
});
