/** Relays under load, with a standby, several topics and keys, refused events, and outages of the registry. */
import { RegistryGate } from '../../../harness/registry-gate.ts';
import { RelayProcess, type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { World } from '../../relay/world.ts';
import { commitOffsets, createTopics } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';

const kinds = ['order', 'payment', 'shipment'] as const;
const writeEveryMs = 20;

export class Traffic implements AsyncDisposable {
  readonly slot: string;
  readonly targets: readonly string[];
  readonly #world: World;
  readonly #registry: RegistryGate;
  readonly #topics: string;
  readonly #active: RelayProcess;
  readonly #standby: RelayProcess;
  readonly #audit: RelayProcess;
  #writing: NodeJS.Timeout | undefined;
  #written = 0;
  #late = 0;

  private constructor(
    world: World,
    registry: RegistryGate,
    topics: string,
    scraped: readonly [active: RelayProcess, standby: RelayProcess, audit: RelayProcess],
  ) {
    this.#world = world;
    this.#registry = registry;
    this.#topics = topics;
    [this.#active, this.#standby, this.#audit] = scraped;
    this.slot = world.slot;
    this.targets = scraped.map(({ url }) => new URL(url).host);
  }

  /** @param names for a picture that people read; by default they are unique */
  static async start(names?: { readonly topics: string; readonly slot: string }): Promise<Traffic> {
    const world = await World.create();
    const topics = names?.topics ?? world.topic;
    const group = `${topics}-billing`;
    const registry = await RegistryGate.open(world.env.SCHEMA_REGISTRY_URL!);
    const settings: Settings = {
      TOPICS_TEMPLATE: `${topics}.{aggregatetype}`,
      TOPICS_ALLOW: `${topics}.*`,
      ...(names === undefined ? {} : { SLOT: names.slot }),
      DEAD_LETTERS_POLICY: 'park-key',
      CLEANUP_RETENTION: '3d',
      METRICS_CONSUMER_GROUPS: group,
    };
    await createTopics(kinds.map((kind) => ({ topic: `${topics}.${kind}`, numPartitions: 6 })));
    for (const kind of kinds) await registerSchema(`${topics}.${kind}-test.Changed`, schemaOf('Changed'));
    // It consumed nothing of one topic so far, and is not there for the others.
    await commitOffsets(group, `${topics}.payment`, [{ partition: 0, offset: '0' }]);
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
    const traffic = new Traffic(world, registry, topics, [active, standby, audit]);
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
    await registerSchema(`${this.#topics}.order-test.${type}`, schemaOf(type));
    this.#registry.mood = 'down';
    await this.#insert('order', 'late', `test.${type}`, '{"note": "late"}');
    while (this.#registry.disturbed < this.#late * 8) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#registry.mood = 'well';
  }

  /** The relay that streams ends, and the standby takes over. */
  async takeOver(): Promise<void> {
    await this.#active.stop();
    await this.#standby.streaming();
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
