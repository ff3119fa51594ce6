/** The network between the relay and a server is slow, cut, silent or half-open; writers and checks are not affected. */

import type { TcpProxy } from '../../harness/tcp-proxy.ts';
import type { Arena, Fault } from '../fault.ts';

type Way = {
  readonly name: string;
  readonly proxies: (arena: Arena) => readonly TcpProxy[] | Promise<readonly TcpProxy[]>;
};

const allBrokers = ({ servers }: Arena) => [...servers.network.kafka.values()];
const ways: readonly Way[] = [
  { name: 'Postgres', proxies: ({ servers }) => [servers.network.postgres] },
  { name: 'all brokers', proxies: allBrokers },
  {
    name: 'the coordinator',
    proxies: async ({ servers, transactionalId }) => {
      const { id } = await servers.coordinator(transactionalId);
      return [servers.network.kafka.get(id)!];
    },
  },
];

type Disturbance = {
  readonly name: string;
  readonly about: string;
  readonly disturb: (proxy: TcpProxy) => void;
  readonly forMs: number;
};

const disturbances: readonly Disturbance[] = [
  {
    name: 'slow',
    about: '150 ms more in each direction, for 3 s',
    disturb: (proxy) => {
      proxy.latencyMs = 150;
    },
    forMs: 3_000,
  },
  { name: 'reset', about: 'RST on every connection', disturb: (proxy) => proxy.reset(), forMs: 0 },
  {
    name: 'refused',
    about: 'RST on every connection, and on every new one for 2 s',
    disturb: (proxy) => {
      proxy.isClosed = true;
      proxy.reset();
    },
    forMs: 2_000,
  },
  {
    name: 'silent for a moment',
    about: 'nothing passes for 1 s, not even a FIN; then everything arrives',
    disturb: (proxy) => proxy.silence(),
    forMs: 1_000,
  },
  {
    name: 'a black hole',
    about: 'nothing passes for 6 s, not even a FIN, longer than every timeout; then everything arrives late',
    disturb: (proxy) => proxy.silence(),
    forMs: 6_000,
  },
  {
    name: '1 KB/s',
    about: 'for 4 s',
    disturb: (proxy) => {
      proxy.bytesPerSecond = 1_000;
    },
    forMs: 4_000,
  },
  {
    name: 'half-open',
    about: 'the server loses its connections, and the relay notices nothing',
    disturb: (proxy) => proxy.halfOpen(),
    forMs: 5_000,
  },
];

const shortOnes: ReadonlySet<string> = new Set(['to the coordinator: half-open', 'to Postgres: reset']);

export const networkFaults: readonly Fault[] = [
  ...ways.flatMap((way) =>
    disturbances.map(
      ({ name, about, disturb, forMs }): Fault => ({
        name: `to ${way.name}: ${name}`,
        class: 'network',
        about,
        expect: 'recovers',
        isShort: shortOnes.has(`to ${way.name}: ${name}`),
        async inject(arena) {
          const proxies = await way.proxies(arena);
          for (const proxy of proxies) disturb(proxy);
          await arena.pause(forMs);
          for (const proxy of proxies) proxy.calm();
        },
      }),
    ),
  ),
  {
    name: 'one EndTxn held, and released after another session began',
    class: 'network',
    about: 'the commit arrives long after its sender gave up and fenced itself; it must not count',
    expect: 'recovers',
    isShort: true,
    inject: (arena) => holdCommit(arena, 5_000, false),
  },
  {
    name: 'one EndTxn held while the relay is killed, then released',
    class: 'network',
    about: 'the commit of a dead relay arrives while its successor starts',
    expect: 'recovers',
    inject: (arena) => holdCommit(arena, arena.random.integer(0, 1_500), true),
  },
  {
    name: 'one Produce held, and released after another session began',
    class: 'network',
    about: 'the records arrive long after their sender gave up and fenced itself; they must not count',
    expect: 'recovers',
    inject: (arena) => hold(arena, 'Produce', 5_000, false),
  },
];

const holdCommit = (arena: Arena, forMs: number, withKill: boolean) => hold(arena, 'EndTxn', forMs, withKill);

async function hold(
  arena: Arena,
  api: 'EndTxn' | 'Produce',
  forMs: number,
  withKill: boolean,
): Promise<void> {
  const { relays, pause } = arena;
  const held = allBrokers(arena).map((proxy) => proxy.hold(api));
  await Promise.race([...held.map(({ met }) => met), pause(20_000)]);
  for (const each of held) if (!each.isMet) each.release();
  if (withKill) await relays.active?.kill();
  await pause(forMs);
  for (const each of held) each.release();
}
