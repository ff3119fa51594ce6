/**
 * Does what docs/guides/install.md says, in its order, on real servers: a newcomer who copies each line comes to the event,
 * and sees what the page shows. `SAMPLES=write npx vitest run test/relay/whole/install-guide.stack.test.ts` renews what it shows.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { urlOf } from '../../../harness/database.ts';
import { RelayProcess, relayEnv } from '../../../harness/relay-process.ts';
import { localAddresses } from '../../../relay/operations/init/files.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { type Registry, startRegistry } from '../../../stack/registry.ts';
import { kafkaClient, withAdmin } from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { runCli } from '../commands/cli.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
const page = join(root, 'docs/guides/install.md');
const guide = await readFile(page, 'utf8');

const [installing = '', removing = ''] = guide.split(/^## \d+\. Remove it again$/m);

const blocks = (language: string, text = installing) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, block]) => block!);

/** The commands of the page, each with what it shows of their output. */
const samples = new Map(
  blocks('console')
    .flatMap((block) => block.split(/^\$ /m).slice(1))
    .map((text) => {
      const [command = '', ...lines] = text.split('\n');
      return [command, lines.join('\n')];
    }),
);

/** What differs from run to run. The names of a run are those of the page already. */
const masked = (text: string) =>
  text
    .replace(/^(. postgres {2}WAL in an outage:).*(\n {4}→.*)?$/m, '$1')
    // As soon as the next heartbeat is published.
    .replace('covers the snapshot', 'covers every event in the snapshot')
    .replace(/\b\w+\/\d+\/[0-9a-f]{8}\b/g, '<relay>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/[0-9A-F]+\/[0-9A-F]{2,}/g, '<lsn>')
    .replace(/\b\d+(\.\d+)? (ms|s|min|h|d|B|KiB|MiB|GiB)\b/g, '<amount>')
    .replace(/\d+(\.\d+)*/g, '<number>')
    .replace(/ {2,}/g, '  ');

const folder = join('/tmp', unique('install-guide'));
const slot = unique('slot');
const topics = unique('guide');
const printed = new Map<string, string>();
let postgres: Postgres;
let registry: Registry;
let relay: RelayProcess | undefined;
let databaseUrl: string;
let relayEnvironment: ReturnType<typeof relayEnv>;
let consumed: string[] = [];

/** As the page has it: the names of this run, and the ports of its servers. */
function asOnThePage(text: string, ports: readonly (readonly [from: string, to: string])[]): string {
  const names = [
    [slot, 'outbox_relay'],
    [topics, 'outbox.event'],
  ] as const;
  return [...names, ...ports].reduce((shown, [from, to]) => shown.replaceAll(from, to), text);
}

beforeAll(async () => {
  const { brokers } = await servers();
  // One of its own, since the page sets its level.
  registry = await startRegistry({ quickStart: true });
  const registryUrl = registry.url;
  const settings = Object.fromEntries(
    [...blocks('sql')[0]!.matchAll(/^alter system set (\w+) = '?(\w+)'?;/gm)].map(([, name, value]) => [
      name,
      value,
    ]),
  );
  expect(Object.keys(settings)).toHaveLength(3);
  postgres = await startPostgres({ settings: { ...settings, fsync: 'off' } });
  const admin = new pg.Pool({ connectionString: postgres.url });
  databaseUrl = urlOf(postgres.url, 'app');
  const as = (role: string) => {
    const url = new URL(databaseUrl);
    [url.username, url.password] = [role, 'sesame'];
    return url.href;
  };
  const own = {
    SLOT: slot,
    TOPICS_TEMPLATE: `${topics}.{aggregatetype}`,
    TOPICS_ALLOW: `${topics}.*`,
    HTTP_PORT: 0,
  };
  const envOf = (url: string) => relayEnv({ databaseUrl: url, brokers, registryUrl }, own);
  const ports: [from: string, to: string][] = [
    [brokers.join(), localAddresses.brokers.join()],
    [new URL(databaseUrl).port, new URL(localAddresses.databaseUrl).port],
  ];
  const command = async (line: string, url: string, args: readonly string[] = []) => {
    expect(samples.keys()).toContain(line);
    const words = line.replace(/^npx outbox-relay /, '').split(' ');
    const { code, stdout, stderr } = await runCli([...words, ...args], envOf(url), folder);
    expect({ line, code, why: code === 0 ? '' : `${stdout}${stderr}` }).toEqual({ line, code: 0, why: '' });
    printed.set(line, asOnThePage(stdout, ports));
  };

  await mkdir(folder);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await admin.query('create database app');
  await admin.end();
  const pool = new pg.Pool({ connectionString: databaseUrl });
  await command('npx outbox-relay init', databaseUrl, ['--yes']);
  await command('npx outbox-relay migrate --roles', databaseUrl);
  await pool.query(`alter role outbox_relay password 'sesame'`);
  for (const role of ['my_app', 'ada']) await pool.query(`create role ${role} login password 'sesame'`);
  for (const line of samples.keys()) {
    const [, grant] = /^psql "\$DATABASE_URL" -c '(grant .*)'$/.exec(line) ?? [];
    if (grant !== undefined) await pool.query(grant);
  }
  for (const line of samples.keys()) {
    const [, body, address] = /^curl -X PUT .* -d '(.*)' (http\S+)$/.exec(line) ?? [];
    if (body === undefined) continue;
    const url = address!.replace(localAddresses.registryUrl, registryUrl);
    const answer = await fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
    expect(answer.ok).toBe(true);
  }
  await command('npx outbox-relay schemas register', databaseUrl);
  await command('npx outbox-relay check', as('outbox_relay'));

  relayEnvironment = envOf(as('outbox_relay'));
  relay = new RelayProcess({ env: relayEnvironment });
  await relay.streaming();
  ports.push([new URL(relay.url).port, '9465']);
  const application = new pg.Pool({ connectionString: as('my_app') });
  for (const sql of blocks('sql').slice(1)) await application.query(sql);
  await application.end();
  await pool.query('create table orders (id uuid); grant insert on orders to my_app');
  await pool.end();
  await writeFile(join(folder, 'place-order.ts'), blocks('ts')[0]!);
  const call = `import('./place-order.ts').then(({ placeOrder }) => placeOrder(crypto.randomUUID())).then(() => process.exit())`;
  await run(process.execPath, ['--no-warnings', '--eval', call], {
    cwd: folder,
    env: { APP_DATABASE_URL: as('my_app') },
  });
  expect(await readFile(join(folder, 'consumer.mjs'), 'utf8')).toBe(blocks('js')[0]);
  const isEvent = (line: string) => line === '}';
  consumed = await consume((lines) => lines.filter(isEvent).length === 3);
  printed.set('node consumer.mjs', `${consumed.join('\n')}\n`);
  await command('npx outbox-relay verify', as('outbox_relay'));
  // On a busy machine the relay may have fallen behind for a moment, and status says so.
  await vi.waitFor(() => command('npx outbox-relay status', as('ada')), { timeout: 30_000, interval: 500 });
  if (process.env.SAMPLES === 'write') await writeFile(page, renewed());
});

afterAll(async () => {
  await relay?.stop();
  await postgres?.stop();
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What the consumer prints, which `init` wrote, until it has printed enough. */
async function consume(isEnough: (lines: readonly string[]) => boolean): Promise<string[]> {
  const child = await startConsumer(`${topics}.order`, 'inherit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line);
    if (isEnough(lines)) child.kill();
  }
  const { groups } = await withAdmin((admin) => admin.describeGroups(['first-look']));
  expect(groups[0]!.members, 'the next one would wait for these').toEqual([]);
  return lines;
}

async function startConsumer(topic: string, stderr: 'inherit' | 'pipe') {
  const file = join(folder, 'consumer.mjs');
  const { brokers } = await servers();
  await writeFile(file, blocks('js')[0]!.replace("'outbox.event.order'", `'${topic}'`));
  return spawn(process.execPath, ['--no-warnings', file], {
    env: { KAFKA_BROKERS: brokers.join(), SCHEMA_REGISTRY_URL: registry.url },
    stdio: ['ignore', 'pipe', stderr],
  });
}

/** The page with what the commands printed in this run, where it shows an output. */
function renewed(): string {
  let text = guide;
  for (const [line, output] of printed)
    if (samples.get(line) !== '')
      text = text.replace(`$ ${line}\n${samples.get(line)}`, () => `$ ${line}\n${output}`);
  return text;
}

test.each(['schemas register', 'check', 'verify'])('%s prints what the page shows', (words) => {
  const line = `npx outbox-relay ${words}`;
  expect(masked(printed.get(line)!)).toBe(masked(samples.get(line)!));
});

test('status has the lines that the page shows; their words are as long as the relay ran', () => {
  const labels = (text: string) => [...text.matchAll(/^(\w[\w ]*?) {2,}\S/gm)].map(([, label]) => label);
  const line = 'npx outbox-relay status';
  expect(labels(printed.get(line)!)).toEqual(labels(samples.get(line)!));
});

test('of the checks, all pass but that for the one broker, whatever the WAL of this machine', () => {
  const marks = [...printed.get('npx outbox-relay check')!.matchAll(/^([✔!✖-]) \w+ +([^:]+):/gm)];
  expect(
    marks.filter(([, mark, name]) => mark !== '✔' && name !== 'WAL in an outage').map(([, , name]) => name),
  ).toEqual(['brokers']);
});

test('the consumer prints the three events of the page, decoded', () => {
  const text = consumed.join('\n');
  expect(text.match(/^app\.order\.OrderPlaced {2}/gm)).toHaveLength(3);
  for (const note of ['note: null', "note: 'by insert'", "note: 'from TypeScript'"])
    expect(text).toContain(note);
  expect(text).toContain("id: '6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10'");
});

test('the consumer says once that it waits for a topic that is not there, and then reads it', async () => {
  const topic = `${topics}.later`;
  const child = await startConsumer(topic, 'pipe');
  const faults: string[] = [];
  const errors = createInterface({ input: child.stderr! });
  errors.on('line', (line) => faults.push(line));
  await vi.waitFor(() => expect(faults).toHaveLength(1), { timeout: 60_000 });
  expect(faults[0]).toMatch(new RegExp(`^topic ${topic} is not there yet, .*: waiting for its first event$`));
  await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: 1 }] }));
  const producer = (await kafkaClient()).producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: 'theirs' }] });
  await producer.disconnect();
  for await (const line of createInterface({ input: child.stdout! })) {
    expect(line).toBe("another producer's: partition 0, offset 0");
    child.kill();
  }
  expect(faults).toHaveLength(1);
  await withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
});

test('the consumer names what another producer wrote, and goes on behind it', async () => {
  const producer = (await kafkaClient()).producer();
  await producer.connect();
  await producer.send({ topic: `${topics}.order`, messages: [{ key: '42', value: 'no Avro' }] });
  await producer.disconnect();
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       values ('order', '42', 'app.order.OrderPlaced',
         json_build_object('id', gen_random_uuid(), 'happenedAt', now(), 'note', 'behind it'))`,
  );
  await client.end();
  const lines = await consume((each) => each.at(-2)?.includes("note: 'behind it'") === true);
  expect(lines.filter((line) => /^another producer's: partition \d+, offset \d+$/.test(line))).toHaveLength(
    1,
  );
});

/** Pasted into psql, which goes on behind a statement that fails. @returns what failed */
async function pasteRemoval(client: pg.Client): Promise<string[]> {
  const faults: string[] = [];
  // Each block is one statement.
  for (const statement of blocks('sql', removing))
    await client
      .query(statement.replace("'outbox_relay';", () => `'${slot}';`))
      .catch((error: Error) => faults.push(error.message));
  return faults;
}

/** The parts of the outbox that a database and its server have. */
async function partsOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query(`
    select slot_name as name from pg_replication_slots
    union all select pubname from pg_publication
    union all select nspname from pg_namespace where nspname like '%outbox%'
    union all select rolname from pg_roles where rolname like 'outbox%'`);
  return rows.map(({ name }) => name).toSorted();
}

test('what the page says about removal drops nothing while a relay runs or an event is unpublished, else all', async () => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const count = async () => (await client.query('select from outbox.event')).rowCount;
  try {
    const [parts, events] = [await partsOf(client), await count()];
    expect(parts).toHaveLength(6);
    expect((await pasteRemoval(client))[0]).toContain(`a relay of the slot ${slot} runs`);
    expect([await partsOf(client), await count()]).toEqual([parts, events]);

    await relay?.stop();
    // Postgres notices within a moment that the relay is gone.
    const isGone = () =>
      vi.waitFor(
        async () => {
          const { rows } = await client.query('select 1 from pg_replication_slots where active');
          expect(rows).toEqual([]);
        },
        { timeout: 30_000 },
      );
    await isGone();
    await client.query(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
         values ('order', '42', 'app.order.OrderPlaced',
           json_build_object('id', gen_random_uuid(), 'happenedAt', now(), 'note', 'the last'))`,
    );
    expect((await pasteRemoval(client))[0]).toMatch(/^events that may be unpublished: 1\. /);
    expect([await partsOf(client), await count()]).toEqual([parts, events! + 1]);

    relay = new RelayProcess({ env: relayEnvironment });
    await relay.streaming();
    await consume((lines) => lines.at(-2)?.includes("note: 'the last'") === true);
    await relay.stop();
    await isGone();
    expect(await pasteRemoval(client)).toEqual([]);
    expect(await partsOf(client)).toEqual([]);
    expect(await pasteRemoval(client)).toEqual([]);
  } finally {
    await client.end();
  }

  const patterns = [...removing.matchAll(/ --delete --topic '(.*)'$/gm)].map(
    ([, pattern]) =>
      new RegExp(`^(?:${pattern!.replace('outbox_relay', slot).replace('outbox\\.event', topics)})$`),
  );
  expect(patterns).toHaveLength(2);
  const isOurs = (topic: string) => topic.includes(slot) || topic.startsWith(`${topics}.`);
  const left = await withAdmin(async (admin) => {
    const found = (await admin.listTopics()).filter((topic) => patterns.some((each) => each.test(topic)));
    expect(found.toSorted()).toEqual([`${topics}.order`, `outbox-relay.progress.${slot}`].toSorted());
    await admin.deleteTopics({ topics: found });
    return (await admin.listTopics()).filter(isOurs);
  });
  expect(left).toEqual([]);

  const addresses = [...removing.matchAll(/^\$ curl -X DELETE '(.*)'$/gm)].map(([, address]) =>
    address!.replace(localAddresses.registryUrl, registry.url).replace('outbox.event', topics),
  );
  expect(addresses).toHaveLength(2);
  for (const address of addresses) expect((await fetch(address, { method: 'DELETE' })).ok).toBe(true);
  expect(await (await fetch(`${registry.url}/subjects`)).json()).toEqual([]);
});
