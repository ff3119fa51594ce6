import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settingsEnv } from '../../../harness/relay-process.ts';
import { asText, describeConfig, loadConfig, settings } from '../../../relay/config/config.ts';
import { maskUrl } from '../../../relay/config/mask-url.ts';
import { configRules } from '../../../relay/config/rules.ts';
import { faultsTold } from './faults-told.ts';

const required = {
  DATABASE_URL: 'postgres://relay:sesame@db:5432/shop',
  KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092',
  SCHEMA_REGISTRY_URL: 'http://relay:sesame@registry:8081',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-relay-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function yaml(text: string): string {
  const file = join(folder, 'relay.yaml');
  writeFileSync(file, text);
  return file;
}

const fromEnv = (env: Record<string, string> = {}) => loadConfig({ env: { ...required, ...env } }).config;

/** @throws if there is none */
function faults(options: Parameters<typeof loadConfig>[0]): string[] {
  const told = faultsTold(options);
  if (told.length === 0) throw new Error('no fault was found');
  return told;
}

describe('sources', () => {
  test('three variables are enough', () => {
    const config = fromEnv();
    expect(config.database.url).toBe(required.DATABASE_URL);
    expect(config.kafka.brokers).toEqual(['kafka-1:9092', 'kafka-2:9092']);
    expect(config.slot.name).toBe('outbox_relay');
  });

  test('the environment wins over the file, and the file over the default', () => {
    const file = yaml('slot: from_file\npublish:\n  lingerMs: 7\n');
    const env = { ...required, OUTBOX_RELAY_PUBLISH_LINGER_MS: '9' };
    const { config, provenance } = loadConfig({ file, env });
    expect([config.slot.name, config.publish.lingerMs, config.http.port]).toEqual(['from_file', 9, 9465]);
    expect(provenance.get('slot.name')).toBe(file);
    expect(provenance.get('publish.lingerMs')).toBe('OUTBOX_RELAY_PUBLISH_LINGER_MS');
    expect(provenance.get('http.port')).toBe('default');
  });

  test('every setting can be given by its environment variable', () => {
    const names = settings.map((setting) => setting.env);
    expect(new Set(names).size).toBe(names.length);
    for (const { path, env, kind, default: fallback } of settings) {
      if (fallback === undefined || env in required) continue;
      const { provenance } = loadConfig({ env: { ...required, [env]: asText(fallback) } });
      expect([path.join('.'), kind, provenance.get(path.join('.'))]).toEqual([path.join('.'), kind, env]);
    }
  });

  test('a map is written in the variable as in the file, and the variable replaces the whole map', () => {
    const expected = { publish: 'debug', kafka: 'warn' };
    const file = yaml('log: {levels: {publish: debug, kafka: warn}}');
    expect(loadConfig({ file, env: required }).config.log.levels).toEqual(expected);
    expect(fromEnv({ OUTBOX_RELAY_LOG_LEVELS: ' publish = debug,kafka=warn, ' }).log.levels).toEqual(
      expected,
    );
    const env = { ...required, OUTBOX_RELAY_LOG_LEVELS: 'audit=error' };
    expect(loadConfig({ file, env }).config.log.levels).toEqual({ audit: 'error' });
    const { config, provenance } = loadConfig({ file, env: required });
    const [shown] = describeConfig(config, provenance).filter(({ key }) => key === 'log.levels');
    expect(shown).toMatchObject({ value: 'publish=debug,kafka=warn', source: file, reload: true });
  });

  test('every setting is described and its default is valid', () => {
    for (const { path, description } of settings) expect(`${path}: ${description}`).toMatch(/: .+\.$/s);
    const empty = settings.filter(({ off }) => off === undefined).map(({ env }) => env);
    expect(fromEnv()).toEqual(
      fromEnv(Object.fromEntries(empty.map((env) => [env, required[env as never] ?? '']))),
    );
  });

  const optional = settings.filter(({ off }) => off !== undefined);

  test('what there need not be is optional: it has no default, an empty one, or says so', () => {
    const names = optional.map(({ path }) => path.join('.'));
    for (const { path, default: fallback, env, description } of settings) {
      const hasNone = fallback === undefined || fallback === '' || asText(fallback) === '';
      const isOptional = (hasNone && !(env in required)) || description.includes('empty if');
      if (isOptional) expect(names).toContain(path.join('.'));
    }
    expect(names).toEqual(
      expect.arrayContaining([
        'outbox.columns.headers',
        'kafka.saslMechanism',
        'registry.token',
        'topics.tombstones',
      ]),
    );
    expect(names).not.toContain('publication');
    expect(names).not.toContain('topics.allow');
  });

  /** Of which each setting can be given alone; what the rules between settings say of it does not matter here. */
  const valueIn = (config: unknown, path: readonly string[]) =>
    path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], config);

  test.each(optional.map((setting) => [setting.path.join('.'), setting] as const))(
    '%s can be switched off by an empty variable, which wins over the file, and in the file',
    (key, { path, env, off, kind }) => {
      const expected = off === 'unset' ? undefined : off;
      const others: Record<string, string> = { ...required, OUTBOX_RELAY_RECORDS_FORMAT: 'json' };
      delete others[env];
      const inFile = path.reduceRight<unknown>(
        (value, name) => ({ [name]: value }),
        kind === 'list' ? [] : kind === 'map' ? {} : '',
      );
      const file = yaml(JSON.stringify(inFile));
      expect(valueIn(loadConfig({ file, env: others }).config, path)).toEqual(expected);
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is YAML
      const reference = path.reduceRight<unknown>((value, name) => ({ [name]: value }), '${NOTHING:-}');
      const referring = yaml(JSON.stringify(reference));
      expect(valueIn(loadConfig({ file: referring, env: others }).config, path)).toEqual(expected);
      const other = yaml(
        'outbox: {columns: {headers: h, createdAt: c}}\nschemas: {namespace: n, versions: [s=1]}\ntopics: {tombstones: [t]}\n',
      );
      const { config, provenance } = loadConfig({ file: other, env: { ...others, [env]: '' } });
      expect(valueIn(config, path)).toEqual(expected);
      expect(provenance.get(key)).toBe(env);
    },
  );

  test('the file may be named by OUTBOX_RELAY_CONFIG', () => {
    const file = yaml('slot: named\n');
    expect(fromEnv({ OUTBOX_RELAY_CONFIG: file }).slot.name).toBe('named');
  });

  test('the name of the slot alone stands for its section', () => {
    const [short, long] = ['slot: named\n', 'slot:\n  name: named\n'].map((text) =>
      loadConfig({ file: yaml(text), env: required }),
    );
    expect(short!.config).toEqual(long!.config);
    expect(short!.provenance.get('slot.name')).not.toBe('default');
  });

  test('a variable in a list is an item of it, or several', () => {
    const file = yaml(`kafka:\n  brokers: ["\${FIRST}:9092", "\${MORE}"]\n`);
    const env = { ...required, KAFKA_BROKERS: undefined, FIRST: 'a', MORE: 'b:9092,c:9092' };
    expect(loadConfig({ file, env }).config.kafka.brokers).toEqual(['a:9092', 'b:9092', 'c:9092']);
  });

  test('a variable is put in where the file refers to it, numbers too', () => {
    const file = yaml(`slot: shop_\${STAGE}\nhttp:\n  port: \${PORT}\nlog:\n  level: \${LEVEL:-debug}\n`);
    const { config } = loadConfig({ file, env: { ...required, STAGE: 'test', PORT: '8080' } });
    expect([config.slot.name, config.http.port, config.log.level]).toEqual(['shop_test', 8080, 'debug']);
  });

  test('a section whose keys are all commented out is as if absent', () => {
    const file = yaml('http:\n  # port: 1\nslot:\n');
    expect(loadConfig({ file, env: required }).config).toEqual(fromEnv());
  });

  test('a file that is asked for must exist', () => {
    expect(() => loadConfig({ file: join(folder, 'none.yaml'), env: required })).toThrow(/none\.yaml/);
  });

  test('YAML that cannot be read is told by its line and never quoted', () => {
    const file = yaml('slot: a\ndatabase: {url: "postgres://u:sesame@h"\n');
    const load = () => loadConfig({ file, env: required });
    expect(load).toThrow(/at line \d: bad indent/);
    expect(load).not.toThrow(/sesame/);
  });
});

describe('faults', () => {
  test('all are told at once, each with its key and its variable', () => {
    const file = yaml('http:\n  port: 70000\ntypo: 1\nkafka:\n  retries: 3\n');
    const found = faults({ file, env: { SCHEMA_REGISTRY_URL: 'ftp://x', OUTBOX_RELAY_SLOT: 'Über' } });
    for (const [key, env] of [
      ['database.url', 'DATABASE_URL'],
      ['kafka.brokers', 'KAFKA_BROKERS'],
      ['registry.url', 'SCHEMA_REGISTRY_URL'],
      ['http.port', 'OUTBOX_RELAY_HTTP_PORT'],
      ['slot.name', 'OUTBOX_RELAY_SLOT'],
    ])
      expect(found).toContainEqual(expect.stringMatching(new RegExp(`^${key} .*\\(${env}\\)$`)));
    expect(found).toContainEqual(expect.stringMatching(/^typo is not a setting; the nearest is \w+$/));
    expect(found).toContainEqual(
      expect.stringMatching(/^kafka\.retries is not a setting; the nearest is kafka\.\w+$/),
    );
    expect(found).toHaveLength(7);
  });

  test.each([
    ['topic: { allow: [a] }', 'topic is not a setting; the nearest is topics'],
    ['kafka: { broker: a }', 'kafka.broker is not a setting; the nearest is kafka.brokers'],
    ['kafka: { lingerMs: 1 }', 'kafka.lingerMs is not a setting; did you mean publish.lingerMs?'],
  ])('%s: what it was meant to be is named', (text, message) => {
    expect(faults({ file: yaml(`${text}\n`), env: required })).toContain(message);
  });

  test.each([
    ['slot.name', 'Not-A-Slot'],
    ['database.url', 'mysql://db/shop'],
    ['database.url', 'postgres://relay:a/b@db/shop'],
    ['outbox.table', 'event'],
    ['kafka.brokers', 'kafka'],
    ['kafka.saslMechanism', 'gssapi'],
    ['kafka.oauth.extensions', 'auth=x'],
    ['kafka.oauth.extensions', 'logical-cluster=x'],
    ['kafka.oauth.tokenEndpoint', 'idp/token'],
    ['registry.url', 'registry:8081'],
    ['registry.url', 'http://me:a#b@'],
    ['registry.url', 'http://me:100%@registry'],
    ['registry.token', 'token\n'],
    ['registry.url', 'http://registry-1:8081,registry-2:8081'],
    ['registry.headers', 'Authorization=x'],
    ['schemas.subjectStrategy', 'random'],
    ['deadLetters.policy', 'drop'],
    ['log.level', 'loud'],
    ['deadLetters.policies', 'orders'],
    ['deadLetters.policies', 'orders=drop'],
    ['kafka.ssl', 'yes'],
    ['http.port', '65536'],
    ['http.announce', 'http://relay'],
    ['http.announce', 'relay/metrics'],
    ['publish.lingerMs', '1.5'],
    ['publish.lingerMs', 'soon'],
  ])('%s refuses %s', (key, value) => {
    const setting = settings.find(({ path }) => path.join('.') === key);
    expect(faults({ env: { ...required, [setting!.env]: value } })).toEqual([
      expect.stringMatching(new RegExp(`^${key.replace('.', '\\.')}(\\.0)? `)),
    ]);
  });

  test.each([
    ['publisher=debug', 'publisher'],
    ['publish=debug,=info', ''],
  ])(
    'log.levels %s names a component that does not exist, and the fault lists those that do',
    (value, name) => {
      const [found, ...more] = faults({ env: { ...required, OUTBOX_RELAY_LOG_LEVELS: value } });
      expect(found).toContain(`log.levels has no "${name}", only relay, capture, encode, `);
      expect(found).toContain('(OUTBOX_RELAY_LOG_LEVELS)');
      expect(more).toEqual([]);
      expect(faults({ file: yaml('log: {levels: {publisher: debug}}'), env: required })).toEqual([
        expect.stringContaining('log.levels has no "publisher", only relay, capture, '),
      ]);
    },
  );

  test.each([
    ['schemas: {versions: a=1}', 'schemas.versions', 'list', '"versions: [first, second]"', 'OUTBOX_RELAY_'],
    ['topics: {allow: outbox.*}', 'topics.allow', 'list', '"allow: [first, second]"', 'OUTBOX_RELAY_'],
    ['kafka: {brokers: "b:9092"}', 'kafka.brokers', 'list', '"brokers: [first, second]"', 'KAFKA_BROKERS'],
    ['log: {levels: debug}', 'log.levels', 'names and values', '"levels: { name: value }"', 'OUTBOX_RELAY_'],
  ])('%s says what %s looks like', (text, key, what, example, env) => {
    const { KAFKA_BROKERS, ...others } = required;
    const found = faults({
      file: yaml(text),
      env: key === 'kafka.brokers' ? others : { ...others, KAFKA_BROKERS },
    });
    expect(found).toEqual([expect.stringMatching(`^${key.replace('.', '\\.')} must .*${what}`)]);
    expect(found[0]).toContain(example);
    expect(found[0]).toContain(`(${env}`);
    expect(found[0]).not.toContain('expected');
  });

  test.each(['publish', 'publish=', 'publish=loud', 'publish=debug=info'])(
    'log.levels %s has no level that exists, and the fault lists those that do',
    (value) => {
      expect(faults({ env: { ...required, OUTBOX_RELAY_LOG_LEVELS: value } })).toEqual([
        expect.stringContaining('log.levels.publish must be trace, debug, '),
      ]);
    },
  );

  test.each([
    ['OUTBOX_RELAY_TOPIC_CREATE', 'OUTBOX_RELAY_TOPICS_CREATE'],
    ['OUTBOX_RELAY_PUBLISH_LINGERMS', 'OUTBOX_RELAY_PUBLISH_LINGER_MS'],
    ['OUTBOX_RELAY_SLOTNAME', 'OUTBOX_RELAY_SLOT'],
    ['OUTBOX_RELAY_KAFKA_BROKERS', 'KAFKA_BROKERS'],
  ])('%s is no setting, and %s is near', (name, nearest) => {
    expect(faults({ env: { ...required, [name]: 'sesame' } })).toEqual([
      `${name} is not a setting; the nearest is ${nearest}`,
    ]);
  });

  test('variables that something else reads, or Kubernetes makes of a service, are no slip of the pen', () => {
    const service = {
      OUTBOX_RELAY_SERVICE_HOST: '10.0.0.1',
      OUTBOX_RELAY_SERVICE_PORT: '9465',
      OUTBOX_RELAY_METRICS_SERVICE_PORT_HTTP: '9465',
      OUTBOX_RELAY_PORT: 'tcp://10.0.0.1:9465',
      OUTBOX_RELAY_PORT_9465_TCP: 'tcp://10.0.0.1:9465',
      OUTBOX_RELAY_PORT_9465_TCP_ADDR: '10.0.0.1',
    };
    const others = { OUTBOX_RELAY_CACHE: '/tmp', OUTBOX_RELAY_FAILPOINT: '' };
    expect(fromEnv({ ...service, ...others })).toEqual(fromEnv());
  });

  test.each([
    ['postgres://relay:12#34@db/shop', 'contains a #'],
    ['postgres://relay:a#b@db/shop', 'contains a #'],
    ['postgres://relay:p@db-1:5432,:5433/shop', 'has hosts and ports that do not belong together'],
    ['postgres:///shop?host=db-1,db-2&port=1,2,3', 'has hosts and ports that do not belong together'],
    ['postgres://relay:p@db-1:5432,db-2:x/shop', 'has a port that is no number'],
    ['postgres://someone:p@db-1/shop?target_session_attrs=standby', 'has a target_session_attrs other than'],
    ['postgres://relay:100%zz@db/shop', 'contains a % '],
    ['postgres://relay:12/34@db/shop', 'has an @ after the host name'],
    ['postgres://relay:a/b@db/shop', 'has an @ after the host name'],
    ['postgres://relay:p@d b/shop', 'cannot be read as a URL'],
  ])('%s %s, reported without the password', (url, fault) => {
    const found = faults({ env: { ...required, DATABASE_URL: url } });
    expect(found).toEqual([expect.stringContaining(`database.url ${fault}`)]);
    expect(found[0]).not.toMatch(/12|34|zz|a.b@|relay:|someone|db-/);
  });

  test.each([
    'postgres://relay:%23%2F%25%40@db/shop?sslmode=verify-full',
    'postgres://relay@[::1]:5432/shop',
    'postgres:///shop?host=/var/run/postgresql',
    'postgres://relay@%2Fvar%2Frun%2Fpostgresql/shop',
    'postgres://a,b:c,d@db/shop',
    'postgres://relay:p@db-1:5432,db-2:5433,[::1]/shop?target_session_attrs=read-write',
    'postgres:///shop?host=/tmp,db-2&port=5433',
    'postgres://?service=shop',
  ])('%s is fine', (url) => {
    expect(fromEnv({ DATABASE_URL: url }).database.url).toBe(url);
  });

  test('a reference to a variable that is not set names both', () => {
    const file = yaml(`slot: \${STAGE}\n`);
    expect(faults({ file, env: required })).toEqual(['slot.name refers to STAGE, which is not set']);
  });

  test('a reference to a variable that is not set is no second fault, and none where the environment has the setting', () => {
    const file = yaml(`database:\n  url: \${OWN}\nregistry:\n  headers: { x: '\${TOKEN}' }\n`);
    const { DATABASE_URL: _, ...others } = required;
    expect(faults({ file, env: others })).toEqual([
      'database.url refers to OWN, which is not set',
      'registry.headers.x refers to TOKEN, which is not set',
    ]);
    expect(faults({ file, env: required })).toEqual(['registry.headers.x refers to TOKEN, which is not set']);
    const env = { ...required, TOKEN: 'sesame' };
    expect(loadConfig({ file, env }).config.database.url).toBe(required.DATABASE_URL);
  });

  const oauth = {
    KAFKA_OAUTH_TOKEN_ENDPOINT: 'https://idp/token',
    KAFKA_OAUTH_CLIENT_ID: 'relay',
    KAFKA_OAUTH_CLIENT_SECRET: 'sesame',
  };

  const broken: [key: string, env: Record<string, string>][] = [
    ['slot.recoverByWritingOrder', { SLOT_RECOVER_BY_WRITING_ORDER: 'true' }],
    ['kafka.saslMechanism', { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'u' }],
    ['kafka.saslMechanism', { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'p' }],
    ['kafka.saslMechanism', { KAFKA_SASL_PASSWORD: 'p' }],
    ['database.url', { DATABASE_PASSWORD_FILE: '/password' }],
    ['kafka.saslUsername', { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_SASL_USERNAME: 'u', ...oauth }],
    ['kafka.saslMechanism', oauth],
    ['kafka.saslMechanism', { KAFKA_OAUTH_TOKEN_FILE: '/token' }],
    ['kafka.saslMechanism', { KAFKA_OAUTH_EXTENSIONS: 'logicalCluster=lkc-1' }],
    ['kafka.oauth.tokenEndpoint', { KAFKA_SASL_MECHANISM: 'oauthbearer' }],
    ['kafka.oauth.tokenEndpoint', { KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_CLIENT_ID: 'i' }],
    [
      'kafka.oauth.clientSecret',
      { KAFKA_SASL_MECHANISM: 'oauthbearer', ...oauth, KAFKA_OAUTH_CLIENT_SECRET: '' },
    ],
    [
      'kafka.oauth.clientSecret',
      { KAFKA_SASL_MECHANISM: 'oauthbearer', ...oauth, KAFKA_OAUTH_CLIENT_SECRET_FILE: '/secret' },
    ],
    [
      'kafka.oauth.tokenFile',
      { KAFKA_SASL_MECHANISM: 'oauthbearer', ...oauth, KAFKA_OAUTH_TOKEN_FILE: '/token' },
    ],
    [
      'kafka.oauth.tokenEndpoint',
      {
        KAFKA_SASL_MECHANISM: 'oauthbearer',
        ...oauth,
        KAFKA_OAUTH_TOKEN_ENDPOINT: 'http://idp/token',
        KAFKA_OAUTH_SSL_CA_FILE: 'ca.pem',
      },
    ],
    ['kafka.saslMechanism', { KAFKA_AWS_REGION: 'eu-west-1' }],
    ['kafka.awsRegion', { KAFKA_SASL_MECHANISM: 'aws-iam', KAFKA_SSL: 'true' }],
    ['kafka.ssl', { KAFKA_SASL_MECHANISM: 'aws-iam', KAFKA_AWS_REGION: 'eu-west-1' }],
    ['kafka.sslCertFile', { KAFKA_SSL: 'true', KAFKA_SSL_CERT_FILE: 'client.pem' }],
    ['kafka.ssl', { KAFKA_SSL_CA_FILE: 'ca.pem' }],
    ['registry.url', { REGISTRY_SSL_CA_FILE: 'ca.pem' }],
    ['registry.token', { REGISTRY_TOKEN: 't', REGISTRY_USERNAME: 'u' }],
    ['registry.token', { REGISTRY_TOKEN_FILE: '/token', REGISTRY_PASSWORD: 'p', REGISTRY_USERNAME: 'u' }],
    ['registry.oauth.tokenEndpoint', { REGISTRY_OAUTH_CLIENT_ID: 'i' }],
    [
      'registry.oauth.clientSecret',
      { REGISTRY_OAUTH_CLIENT_ID: 'i', REGISTRY_OAUTH_TOKEN_ENDPOINT: 'https://idp/token' },
    ],
    [
      'registry.oauth.tokenEndpoint',
      {
        REGISTRY_OAUTH_CLIENT_ID: 'i',
        REGISTRY_OAUTH_CLIENT_SECRET: 's',
        REGISTRY_OAUTH_TOKEN_ENDPOINT: 'http://idp/token',
        REGISTRY_OAUTH_SSL_CA_FILE: 'ca.pem',
      },
    ],
    ['registry.username', { REGISTRY_PASSWORD: 'p' }],
    ['outbox.columns', { OUTBOX_COLUMNS_TYPE: 'id' }],
    ['publish.batchEvents', { PUBLISH_BATCH_EVENTS: '10001' }],
    ['publish.batchBytes', { PUBLISH_BATCH_BYTES: '16777217' }],
    ['publish.partBytes', { CAPTURE_MAX_IN_FLIGHT_BYTES: '1048576' }],
    ['capture.watchdogMs', { CAPTURE_WATCHDOG_MS: '5000' }],
    ['topics.allow', { TOPICS_ALLOW: 'a,outbox-relay.progress.outbox_relay' }],
    ['deadLetters.topic', { DEAD_LETTERS_TOPIC: 'outbox.event.refused' }],
    ['deadLetters.topic', { DEAD_LETTERS_TOPIC: 'no legal/name' }],
    ['deadLetters.topic', { DEAD_LETTERS_TOPIC: '__refused' }],
    ['deadLetters.topic', { DEAD_LETTERS_TOPIC: 'outbox-relay.progress' }],
    ['kafka.progressTopic', { KAFKA_PROGRESS_TOPIC: 'progress.{slots}' }],
    ['retry.initialDelayMs', { RETRY_INITIAL_DELAY_MS: '20000' }],
    ['cleanup.retention', { CLEANUP_ARCHIVE: '/archive' }],
    ['cleanup.retention', { CLEANUP_REQUIRE_VERIFIED: 'true' }],
    [
      'cleanup.archive',
      { CLEANUP_RETENTION: '3d', CLEANUP_ARCHIVE: '/archive', OUTBOX_TABLE: 'shop.outbox' },
    ],
    [
      'console.viewToken',
      { CONSOLE_VIEW_TOKEN: 'sesame-sesame-sesame', CONSOLE_OPERATE_TOKEN: 'sesame-sesame-sesame' },
    ],
    ['console.operators', { CONSOLE_OPERATORS: 'anna' }],
    ['console.trustedProxies', { CONSOLE_USER_HEADER: 'x-user', CONSOLE_TRUSTED_PROXIES: '10.0.0.1,::/0' }],
  ];
  const faultsOf = (env: Record<string, string>) => {
    const named = Object.entries(env).map(([name, value]) => [`OUTBOX_RELAY_${name}`, value]);
    return faults({ env: { ...required, ...Object.fromEntries(named) } });
  };

  test.each(broken)('the rule at %s refuses what does not fit together', (key, env) => {
    expect(faultsOf(env)).toEqual([expect.stringContaining(`${key} `)]);
  });

  test.each([
    ['PLAINTEXT://kafka:9092', 'without a scheme'],
    ['::1:9092', 'in brackets'],
    ['[kafka]:9092', 'in brackets'],
    ['kafka', 'host:port'],
    ['kafka:0', 'host:port'],
    ['kafka:9092:9093', 'host:port'],
  ])('the broker %s is refused, and said how it is written', (broker, words) => {
    expect(faults({ env: { ...required, KAFKA_BROKERS: `kafka-1:9092,${broker}` } })).toEqual([
      expect.stringContaining(words),
    ]);
  });

  test.each(['console.relays', 'console.grafanaUrl'])(
    '%s holds no password, which pages would show',
    (key) => {
      const name = key === 'console.relays' ? 'CONSOLE_RELAYS' : 'CONSOLE_GRAFANA_URL';
      expect(() => faultsOf({ [name]: 'https://relay-0:9465/d' })).toThrow('no fault was found');
      for (const url of ['https://anna:sesame@relay-0:9465', 'https://anna@relay-0:9465', 'ftp://relay-0'])
        expect(faultsOf({ [name]: url })).toEqual([
          expect.stringMatching(new RegExp(`^${key}.* must be a URL without user and password`)),
        ]);
    },
  );

  test('each slot has a progress topic of its own, which rows of no other slot reach', () => {
    const nameOf = (env: Record<string, string>) =>
      loadConfig({ env: { ...required, ...env } }).config.kafka.progressTopic;
    const slot = { OUTBOX_RELAY_SLOT: 'orders' };
    expect(nameOf(slot)).toBe('outbox-relay.progress.orders');
    expect(nameOf({ ...slot, OUTBOX_RELAY_KAFKA_PROGRESS_TOPIC: 'shared' })).toBe('shared');
    expect(faultsOf({ KAFKA_PROGRESS_TOPIC: 'p.{slot}', TOPICS_ALLOW: 'p.*' })).toEqual([
      expect.stringContaining('topics.allow '),
    ]);
    expect(() => nameOf({ OUTBOX_RELAY_TOPICS_ALLOW: '*' })).not.toThrow();
  });

  test.each(['3 days', '3', '-1d', '1.5h', '1w'])('%s is no length of time', (text) => {
    expect(faultsOf({ CLEANUP_RETENTION: text })).toEqual([
      expect.stringContaining('cleanup.retention must be'),
    ]);
  });

  test('each rule between settings has a case above', () => {
    expect(new Set(broken.flatMap(([, env]) => faultsOf(env))).size).toBe(configRules.length);
  });
});

describe('what a record looks like', () => {
  const { SCHEMA_REGISTRY_URL: _, ...withoutRegistry } = required;
  const faultsOf = (env: Record<string, string>) =>
    faults({ env: { ...withoutRegistry, ...settingsEnv(env) } });
  const isFine = (env: Record<string, string>) => expect(() => faultsOf(env)).toThrow('no fault was found');

  test('where every topic holds JSON, no registry is needed', () => {
    expect(
      loadConfig({ env: { ...withoutRegistry, OUTBOX_RELAY_RECORDS_FORMAT: 'json' } }).config.registry.url,
    ).toBe(undefined);
    isFine({ RECORDS_FORMAT: 'json', RECORDS_FORMATS: 'outbox.event.*=json' });
    const isRequired = expect.stringMatching(
      /^registry\.url is required, for example .*\(SCHEMA_REGISTRY_URL\)$/,
    );
    expect(faultsOf({})).toEqual([isRequired]);
    expect(faultsOf({ RECORDS_FORMATS: 'outbox.event.*=json' })).toEqual([isRequired]);
    expect(faultsOf({ RECORDS_FORMAT: 'json', RECORDS_FORMATS: 'outbox.event.order=avro' })).toEqual([
      isRequired,
    ]);
  });

  test.each([
    ['RECORDS_FORMAT', 'protobuf', 'records.format must be avro or json (OUTBOX_RELAY_RECORDS_FORMAT)'],
    ['RECORDS_FORMATS', 'order', 'records.formats.0 must be <topic>=<format>'],
    ['RECORDS_FORMATS', 'order=xml', 'records.formats.0 must be <topic>=<format>'],
    [
      'RECORDS_HEADERS',
      'eventType=kind',
      'records.headers.eventType must be one of id, type, aggregatetype, aggregateid',
    ],
    ['RECORDS_HEADERS', 'id=aggregateid', 'records.headers.id is a header that the relay writes itself'],
    ['RECORDS_HEADERS', 'position=id', 'records.headers.position is a header that the relay writes itself'],
    ['RECORDS_HEADERS', 'replay-id=id', 'records.headers.replay-id is a header that the relay writes itself'],
    ['RECORDS_HEADERS', 'event type=type', 'records.headers.event type must be a name of printable ASCII'],
    ['RECORDS_HEADERS', 'a=type,a=id', 'records.headers names a twice'],
  ])('%s=%s is refused', (name, value, fault) => {
    expect(faultsOf({ RECORDS_FORMAT: 'json', [name]: value })).toEqual([expect.stringContaining(fault)]);
  });

  test('headers are given as a map, and replace the default', () => {
    const file = yaml('records: {headers: {eventType: type, aggregateId: aggregateid}}');
    expect(loadConfig({ file, env: required }).config.records.headers).toEqual({
      eventType: 'type',
      aggregateId: 'aggregateid',
    });
    const none = loadConfig({ env: { ...required, OUTBOX_RELAY_RECORDS_HEADERS: '' } });
    expect(none.config.records.headers).toEqual({});
  });
});

describe('what a command needs', () => {
  test('a server that is not needed may go without an address', () => {
    const env = { DATABASE_URL: required.DATABASE_URL };
    const { config, provenance } = loadConfig({ env, needs: ['database'] });
    expect(config.database.url).toBe(required.DATABASE_URL);
    expect(new URL(config.registry.url!).hostname).toMatch(/\.invalid$/);
    expect(provenance.get('registry.url')).toBe('not set');
    expect(describeConfig(config, provenance)).toContainEqual(
      expect.objectContaining({ key: 'kafka.brokers', value: '', source: 'not set' }),
    );
  });

  test('it may refer to variables that are not set: a job that checks schemas has no password', () => {
    const file = yaml(
      `database: { url: '\${DATABASE_URL}' }\nkafka: { ssl: true, saslMechanism: plain, saslUsername: relay, saslPassword: '\${SECRET}' }\n`,
    );
    const env = { SCHEMA_REGISTRY_URL: required.SCHEMA_REGISTRY_URL };
    const { config, provenance } = loadConfig({ file, env, needs: ['registry'] });
    expect(new URL(config.database.url).hostname).toMatch(/\.invalid$/);
    expect(config.kafka.saslPassword).toBeUndefined();
    expect(provenance.get('kafka.saslPassword')).toBe('not set');
    expect(faults({ file, env, needs: ['registry', 'database'] })).toEqual([
      'database.url refers to DATABASE_URL, which is not set',
    ]);
  });

  test('one that is needed may not', () => {
    expect(faults({ env: {}, needs: ['kafka'] })).toEqual([
      expect.stringMatching(/^kafka\.brokers is required/),
    ]);
  });

  test('an address that is given is kept, and must be right, whether needed or not', () => {
    const given = loadConfig({ env: required, needs: [] });
    expect(given.config.registry.url).toBe(required.SCHEMA_REGISTRY_URL);
    expect(faults({ env: { DATABASE_URL: 'oracle://x' }, needs: [] })).toHaveLength(1);
    expect(faults({ file: yaml('kafka: here\n'), env: {}, needs: [] })).toHaveLength(1);
  });
});

describe('secrets', () => {
  test('passwords are masked wherever the configuration is shown', () => {
    const { config, provenance } = loadConfig({
      env: {
        ...required,
        OUTBOX_RELAY_REGISTRY_USERNAME: 'relay',
        OUTBOX_RELAY_REGISTRY_PASSWORD: 'sesame',
        OUTBOX_RELAY_KAFKA_SASL_MECHANISM: 'oauthbearer',
        OUTBOX_RELAY_KAFKA_OAUTH_TOKEN_ENDPOINT: 'https://me:sesame@idp/token',
        OUTBOX_RELAY_KAFKA_OAUTH_CLIENT_ID: 'relay',
        OUTBOX_RELAY_KAFKA_OAUTH_CLIENT_SECRET: 'sesame',
        OUTBOX_RELAY_KAFKA_OAUTH_PARAMETERS: 'assertion=sesame',
      },
    });
    const shown = describeConfig(config, provenance);
    expect(shown).toContainEqual(expect.objectContaining({ key: 'kafka.oauth.parameters', value: '***' }));
    expect(shown).toContainEqual(expect.objectContaining({ key: 'kafka.oauth.extensions', value: '' }));
    expect(JSON.stringify(shown)).not.toContain('sesame');
    expect(shown).toContainEqual(
      expect.objectContaining({ key: 'database.url', value: 'postgres://relay:***@db:5432/shop' }),
    );
    expect(shown).toContainEqual(expect.objectContaining({ key: 'registry.password', value: '***' }));
  });

  test.each([
    ['DATABASE_URL', 'database.url', 'postgres://u@h/d?oauth_client_secret='],
    ['DATABASE_URL', 'database.url', 'postgres://u@h/d?x=1&Access_Token='],
    ['SCHEMA_REGISTRY_URL', 'registry.url', 'http://r/?password='],
    ['SCHEMA_REGISTRY_URL', 'registry.url', 'http://r,http://r/?sig='],
    ['SCHEMA_REGISTRY_URL', 'registry.url', 'http://r/?'],
  ])('a parameter of %s (%s) that holds a secret is masked: %s', (name, key, address) => {
    const { config, provenance } = loadConfig({ env: { ...required, [name]: `${address}sesame` } });
    const shown = describeConfig(config, provenance);
    expect(shown.find((row) => row.key === key)?.value).toMatch(/\*\*\*$/);
    expect(JSON.stringify(shown)).not.toContain('sesame');
  });

  test('a URL loses its password in the authority and in the query', () => {
    expect(maskUrl('postgres://u:p@h/d?password=q&x=1')).toBe('postgres://u:***@h/d?password=***&x=1');
    expect(maskUrl('postgres://u:p @ broken')).toBe('***');
    expect(maskUrl('postgres://u:p@h:1,i:2/d?sslpassword=q')).toBe(
      'postgres://u:***@h:1,i:2/d?sslpassword=***',
    );
    expect(maskUrl('postgres://u@h:1,i:2/d')).toBe('postgres://u@h:1,i:2/d');
    expect(maskUrl('postgres://h/d?p%61ssword=q')).toBe('postgres://h/d?p%61ssword=***');
    for (const key of [
      'oauth_client_secret',
      'access_token',
      'apikey',
      'api_key',
      'api-key',
      'ssl%70assword',
    ])
      expect(maskUrl(`postgres://h/d?${key}=q&sslmode=require`)).toBe(
        `postgres://h/d?${key}=***&sslmode=require`,
      );
    // A password that has a / or ? looks like a port, and the rest of it like a database.
    for (const early of [
      'postgres://u:1/q@h/d',
      'postgres://u:1?q@h',
      'postgres://u:p@h/q@i',
      'http://u:1/q@h',
    ])
      expect(maskUrl(early)).toBe('***');
    expect(maskUrl('http://u:p@a,https://u:q@b')).toBe('http://u:***@a/,https://u:***@b/');
  });

  test('a fault never quotes the value', () => {
    const env = { ...required, DATABASE_URL: 'mysql://u:sesame@h', OUTBOX_RELAY_LOG_LEVEL: 'sesame' };
    expect(faults({ env }).join()).not.toContain('sesame');
  });
});
