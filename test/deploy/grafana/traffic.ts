/** Relays under load, with a standby, several topics and keys, refused events, and outages of the registry. */
import { RegistryGate } from '../../../harness/registry-gate.ts';
import { RelayProcess, type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { World } from '../../relay/world.ts';
import { createTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';

const kinds = ['order', 'payment', 'shipment'] as const;
const writeEveryMs = 20;

export class Traffic implements AsyncDisposable {
  readonly slot: string;
  readonly targets: readonly string[];
  readonly #world: World;
  readonly #registry: RegistryGate;
  readonly #audit: RelayProcess;
  #writing: NodeJS.Timeout | undefined;
  #written = 0;
  #late = 0;

  private constructor(
    world: World,
    registry: RegistryGate,
    scraped: readonly RelayProcess[],
    audit: RelayProcess,
  ) {
    this.#world = world;
    this.#registry = registry;
    this.#audit = audit;
    this.slot = world.slot;
    this.targets = scraped.map(({ url }) => new URL(url).host);
  }

  static async start(): Promise<Traffic> {
    const world = await World.create();
    const registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    const settings: Settings = {
      TOPICS_TEMPLATE: `${world.topic}.{aggregatetype}`,
      TOPICS_ALLOW: `${world.topic}.*`,
      DEAD_LETTERS_POLICY: 'park-key',
      CLEANUP_RETENTION: '3d',
    };
    await createTopics(kinds.map((kind) => ({ topic: `${world.topic}.${kind}`, numPartitions: 6 })));
    for (const kind of kinds)
      await registerSchema(`${world.topic}.${kind}-test.Changed`, schemaOf('Changed'));
    const addresses = { SCHEMA_REGISTRY_URL: registry.url };
    const active = world.startRelay(settings, addresses);
    await active.streaming();
    const standby = world.startRelay(settings, addresses);
    await standby.line(({ msg }) => msg === 'standby: another relay is active');
    const audit = new RelayProcess({
      command: 'audit',
      env: { ...world.env, ...settingsEnv({ ...settings, AUDIT_HTTP_PORT: 0 }) },
    });
    await audit.line(({ msg }) => msg === 'audited');
    const traffic = new Traffic(world, registry, [active, standby, audit], audit);
    traffic.#writing = setInterval(() => void traffic.#write().catch(() => {}), writeEveryMs);
    return traffic;
  }

  /** Events that become dead letters, and one more whose key is parked behind them. */
  async refuse(): Promise<void> {
    await this.#insert('payment', 'card', 'test.Changed', '{"note": 1}');
    await this.#insert('payment', 'card', 'test.Changed', '{"note": "behind"}');
  }

  /** The registry is away while an event needs it, and then back. */
  async disturb(): Promise<void> {
    const type = `Late${this.#late++}`;
    await registerSchema(`${this.#world.topic}.order-test.${type}`, schemaOf(type));
    this.#registry.mood = 'down';
    await this.#insert('order', 'late', `test.${type}`, '{"note": "late"}');
    while (this.#registry.disturbed < this.#late * 8) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#registry.mood = 'well';
  }

  /** A transaction of one to four events of some hundred keys, of which one is hot. */
  async #write(): Promise<void> {
    const n = this.#written++;
    const kind = kinds[n % 5 < 3 ? 0 : n % 5 < 4 ? 1 : 2]!;
    const key = n % 4 === 0 ? 'hot' : `key-${n % 100}`;
    await this.#world.pool.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       select $1, $2, 'test.Changed', '{"note": "x"}' from generate_series(1, $3::int)`,
      [kind, key, 1 + (n % 4)],
    );
  }

  async #insert(kind: string, key: string, type: string, payload: string): Promise<void> {
    await this.#world.pool.query(
      'insert into outbox.event (aggregatetype, aggregateid, type, payload) values ($1, $2, $3, $4)',
      [kind, key, type, payload],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#writing);
    await this.#audit.kill();
    await this.#world[Symbol.asyncDispose]();
    await this.#registry[Symbol.asyncDispose]();
  }
}

const schemaOf = (name: string) => ({
  type: 'record',
  name,
  namespace: 'test',
  fields: [{ name: 'note', type: 'string' }],
});
