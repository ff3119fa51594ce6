/** What Helm makes of the chart, and what kubeconform and the relay itself say of it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { chartFolder } from '../../../deploy/helm/chart.ts';
import {
  exampleFolder,
  examples,
  type Manifest,
  manifestsOf,
  plainFolder,
  plainManifests,
  rendered,
} from '../../../deploy/helm/render.ts';
import { operatorSchemaPath } from '../../../deploy/tools/operator-schemas.ts';
import { findProgram, kubernetesVersions } from '../../../deploy/tools/programs.ts';
import { createProgram } from '../../../relay/commands/program.ts';
import { loadConfig, settings } from '../../../relay/config/config.ts';
import { operatorSchemasOrSkip, programOrSkip, schemasOrSkip } from '../../support/tools.ts';

const run = promisify(execFile);
/** Rendered once: each takes half a second. */
const texts = new Map<string, string>();

beforeAll(async () => {
  const helm = findProgram('helm');
  if (helm === undefined) return;
  for (const example of examples) texts.set(example, await rendered(helm, example));
});

function textOf(context: TestContext, example: string): string {
  programOrSkip(context, 'helm');
  return texts.get(example)!;
}

const manifestsIn = (context: TestContext, example: string) => manifestsOf(textOf(context, example));

type Container = {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly [key: string]: any;
};

const podOf = (manifest: Manifest) =>
  manifest.kind === 'Pod' ? manifest.spec : manifest.spec?.template?.spec;
const podsIn = (manifests: readonly Manifest[]) =>
  manifests.map((manifest) => ({ manifest, pod: podOf(manifest) })).filter(({ pod }) => pod !== undefined);

/** Without those of somebody else beside them. */
const ownOf = (containers: readonly Container[]) =>
  containers.filter(({ image }) => image.includes('outbox-relay'));

function only(manifests: readonly Manifest[], kind: string, name: RegExp): Manifest {
  const found = manifests.filter((each) => each.kind === kind && name.test(each.metadata.name));
  expect(found, `${kind} ${name}`).toHaveLength(1);
  return found[0]!;
}

test('there are the five sets of values that the README names', () => {
  expect(examples.toSorted()).toEqual(['console', 'everything', 'external-secrets', 'minimal', 'production']);
});

test('helm lint finds nothing, with each set of values', async (context) => {
  const helm = programOrSkip(context, 'helm');
  for (const example of examples) {
    const values = join(exampleFolder, `${example}.yaml`);
    const { stdout } = await run(helm, ['lint', '--strict', '--quiet', chartFolder, '--values', values]);
    expect(stdout.trim(), example).toBe('');
  }
});

test.for(kubernetesVersions)('every object is one of Kubernetes %s', async (version, context) => {
  programOrSkip(context, 'helm');
  const kubeconform = programOrSkip(context, 'kubeconform');
  const schemas = schemasOrSkip(context);
  const operators = operatorSchemasOrSkip(context);
  const folder = await mkdtemp(join(tmpdir(), 'manifests-'));
  try {
    for (const [example, text] of texts) await writeFile(join(folder, `${example}.yaml`), text);
    const at = `${schemas}/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json`;
    const options = ['-strict', '-summary', '-output', 'json', '-kubernetes-version', version];
    const { stdout } = await run(kubeconform, [
      ...options,
      ...['-schema-location', at],
      ...['-schema-location', join(operators, operatorSchemaPath)],
      folder,
    ]).catch((error) => error);
    const { resources = [], summary } = JSON.parse(stdout);
    expect(resources).toEqual([]);
    expect(summary).toMatchObject({ invalid: 0, errors: 0, skipped: 0 });
    expect(summary.valid).toBeGreaterThan(30);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe.each(examples)('%s', (example) => {
  test('the relay accepts the configuration of every container', async (context) => {
    const manifests = manifestsIn(context, example);
    const folder = await mkdtemp(join(tmpdir(), 'relay-yaml-'));
    try {
      const config = only(manifests, 'ConfigMap', /^(outbox-relay|orders-relay)$/);
      const file = join(folder, 'relay.yaml');
      await writeFile(file, config.data['relay.yaml']);
      const containers = podsIn(manifests).flatMap(({ pod }) => ownOf(pod.containers));
      expect(containers.length).toBeGreaterThan(1);
      const commands = (await createProgram()).commands.map((command) => command.name());
      for (const { name, args, env, volumeMounts = [] } of containers) {
        expect(commands).toContain(args[0]);
        const given = Object.fromEntries(env.map((each) => [each.name, each.value ?? secretLike(each.name)]));
        if (given.OUTBOX_RELAY_CONFIG !== undefined) {
          expect(volumeMounts, name).toContainEqual(
            expect.objectContaining({ name: 'config', mountPath: '/etc/outbox-relay' }),
          );
          given.OUTBOX_RELAY_CONFIG = file;
        }
        const announced = given.OUTBOX_RELAY_HTTP_ANNOUNCE?.replace('$(POD_IP)', given.POD_IP ?? '');
        const variables =
          announced === undefined ? given : { ...given, OUTBOX_RELAY_HTTP_ANNOUNCE: announced };
        const needs = args[0] === 'migrate' ? (['database'] as const) : undefined;
        expect(
          () => loadConfig({ env: variables, ...(needs === undefined ? {} : { needs }) }),
          name,
        ).not.toThrow();
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('no container is root, writes to its image, or may become more than it is', (context) => {
    for (const { manifest, pod } of podsIn(manifestsIn(context, example))) {
      const name = manifest.metadata.name;
      expect(pod.securityContext, name).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      expect(pod, name).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      for (const { securityContext } of pod.containers as Container[])
        expect(securityContext, name).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
    }
  });

  test('what selects Pods finds those that it is about, and no others', (context) => {
    const manifests = manifestsIn(context, example);
    const labels = new Map(
      manifests
        .filter(({ kind }) => kind === 'Deployment')
        .map(({ metadata, spec }) => [
          metadata.name.replace(/^.*-relay-?/, ''),
          spec.template.metadata.labels,
        ]),
    );
    const foundBy = (selector: Readonly<Record<string, string>>) =>
      [...labels].filter(([, own]) => Object.entries(selector).every(([key, value]) => own[key] === value));
    for (const { kind, metadata, spec } of manifests) {
      const selector =
        kind === 'Service' ? spec.selector : (spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels);
      if (selector === undefined || kind === 'ServiceMonitor') continue;
      const found = foundBy(selector).map(([name]) => name);
      const isOfOne = kind === 'Deployment' || kind === 'PodDisruptionBudget';
      if (isOfOne)
        expect(found, `${kind} ${metadata.name}`).toEqual([metadata.name.replace(/^.*-relay-?/, '')]);
      else if (kind === 'PodMonitor' || metadata.name.endsWith('-metrics'))
        expect(found.toSorted()).toEqual([...labels.keys()].filter((each) => each !== 'console').toSorted());
      else expect(found.length, `${kind} ${metadata.name}`).toBeGreaterThan(0);
    }
  });
});

/** Stands for what a Secret holds. */
function secretLike(name: string): string {
  if (name === 'DATABASE_URL') return 'postgres://relay:secret@postgres:5432/shop';
  if (name === 'POD_IP') return 'fd00::7';
  return `the secret of ${name}`.replaceAll(' ', '-');
}

describe('production', () => {
  test('numbers reach the relay as numbers', (context) => {
    const config = only(manifestsIn(context, 'production'), 'ConfigMap', /^outbox-relay$/);
    expect(config.data['relay.yaml']).toContain('maxInFlightBytes: 33554432\n');
  });

  test('the migrations run before the relays, with what exists before them', (context) => {
    const job = only(manifestsIn(context, 'production'), 'Job', /-migrate$/);
    expect(job.metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    const pod = podOf(job);
    expect(pod.serviceAccountName).toBe('default');
    expect(pod.containers[0].args).toEqual(['migrate', '--roles']);
    expect(JSON.stringify(pod.volumes ?? [])).not.toContain('configMap');
  });

  test('a new relay stands by before an old one ends, and has time to end', (context) => {
    const { spec } = only(manifestsIn(context, 'production'), 'Deployment', /^outbox-relay$/);
    expect(spec.strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
    });
    const { config } = loadConfig({ env: {}, needs: [] });
    expect(spec.template.spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(config.shutdownMs);
  });

  test('the alerts lead to the pages that were named', (context) => {
    const rule = only(manifestsIn(context, 'production'), 'PrometheusRule', /./);
    const links = rule.spec.groups.flatMap(
      ({ rules }: { rules: { annotations?: Record<string, string> }[] }) =>
        rules.flatMap(({ annotations }) => annotations?.runbook_url ?? []),
    );
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(link).toMatch(/^https:\/\/wiki\.example\.com\/outbox-relay\/docs\//);
  });

  test('the dashboard is that of deploy/grafana', async (context) => {
    const map = only(manifestsIn(context, 'production'), 'ConfigMap', /-dashboard$/);
    const file = join(chartFolder, '../../grafana/outbox-relay.json');
    expect(JSON.parse(map.data['outbox-relay.json'])).toEqual(JSON.parse(await readFile(file, 'utf8')));
    // kubectl apply keeps a copy in an annotation, which may have 256 KiB.
    expect(map.data['outbox-relay.json'].length).toBeLessThan(200_000);
  });
});

describe('values that would fail only later are refused', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['a misspelled setting', 'config={"kafka":{"broker":["k:9092"]}}', 'broker'],
    ['a misspelled value', 'replica=3', 'replica'],
    ['a setting of the wrong type', 'config={"shutdownMs":"soon"}', 'shutdownMs'],
    [
      'a stop that takes longer than Kubernetes waits',
      'config.shutdownMs=30000',
      'terminationGracePeriodSeconds',
    ],
    [
      'alerts that lead nowhere',
      'prometheusRule.enabled=true',
      'prometheusRule.runbookUrl is required in a chart from a clone',
    ],
    ['two audits', 'audit={"enabled":true}', 'everyMinutes'],
    ['two monitors', 'serviceMonitor={"enabled":true}', 'scraped twice'],
    ['migrations without a role', 'migrations={"enabled":true}', 'migrations.secret.name'],
    ['a console without a way in', 'console={"enabled":true}', 'sign in'],
    ['a port that nobody knows', 'config.http.port=0', 'fixed port'],
  ];
  test.for(cases)('%s', async ([name, set, told], context) => {
    const helm = programOrSkip(context, 'helm');
    const more = {
      'two audits': 'config.audit.everyMinutes=5',
      'two monitors': 'podMonitor={"enabled":true}',
    }[name];
    const sets = more === undefined ? [set] : [set, more];
    const failure = await rendered(helm, 'minimal', ...sets).then(
      () => undefined,
      (error) => String(error.stderr),
    );
    expect(failure).toContain(told);
  });
});

test('the chart takes the values of the guide', async (context) => {
  const helm = programOrSkip(context, 'helm');
  const guide = await readFile(join(chartFolder, '../../../docs/guides/kubernetes.md'), 'utf8');
  const [, values] = /```yaml\n( *config:\n.*?)```/s.exec(guide)!;
  const folder = await mkdtemp(join(tmpdir(), 'guide-'));
  try {
    const file = join(folder, 'values.yaml');
    await writeFile(file, values!);
    const { stdout } = await run(helm, ['template', 'outbox-relay', chartFolder, '--values', file]);
    const kinds = manifestsOf(stdout).map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['Deployment', 'Job', 'PodMonitor', 'PrometheusRule']));
    expect(stdout).not.toContain('OWNER/');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('without an address, the chart names the value to set', async (context) => {
  const helm = programOrSkip(context, 'helm');
  const sets: string[] = [];
  const told = async () => {
    const values = sets.flatMap((set) => ['--set-json', set]);
    return run(helm, ['template', 'outbox-relay', chartFolder, ...values]).then(
      () => 'rendered',
      (error) => String(error.stderr),
    );
  };
  expect(await told()).toContain('no address of Postgres: set secretEnv.DATABASE_URL: {');
  sets.push('secretEnv={"DATABASE_URL":{"name":"outbox-relay","key":"database-url"}}');
  expect(await told()).toContain('no address of Kafka: set config.kafka.brokers');
  sets.push('extraEnv=[{"name":"KAFKA_BROKERS","value":"kafka:9092"}]');
  expect(await told()).toContain('no address of the schema registry: set config.registry.url');
  sets.push('config.records.format="json"');
  expect(await told()).toBe('rendered');
});

describe('a secret in the settings', () => {
  const inConfig = (path: readonly string[], value: unknown) =>
    `config.${path.join('.')}=${JSON.stringify(value)}`;
  const refusal = (helm: string, ...sets: string[]) =>
    rendered(helm, 'minimal', ...sets).then(
      () => undefined,
      (error) => String(error.stderr),
    );
  const urls = ['s://u:sekret@h/d', 's://h/d?password=sekret', `s://u:\${PW:-sekret}@h/d`];

  test('is refused with the variable to set, and never quoted', async (context) => {
    const helm = programOrSkip(context, 'helm');
    const secrets = settings.filter(({ secret }) => secret !== undefined);
    expect(secrets.length).toBeGreaterThan(10);
    for (const { path, env, kind, secret } of secrets) {
      const value =
        kind === 'map' ? { Authorization: 'sekret' } : secret === 'url' ? urls[0] : 'sekret'.repeat(8);
      const told = await refusal(helm, inConfig(path, value));
      expect(told, path.join('.')).toContain(`config.${path.join('.')} holds a secret`);
      expect(told).toContain(`secretEnv.${env}: {`);
      expect(told).not.toContain('sekret');
    }
    for (const url of urls)
      expect(await refusal(helm, inConfig(['database', 'url'], url)), url).toContain('holds a secret');
  });

  test('that a variable holds is accepted, and so is an address without one', async (context) => {
    const helm = programOrSkip(context, 'helm');
    const url = `postgres://relay:\${PW}@db:5432/shop?sslmode=verify-full&sslkey=/tls/key`;
    const sets = [
      inConfig(['database', 'url'], url),
      inConfig(['kafka', 'saslPassword'], `\${KAFKA_PASSWORD}`),
      inConfig(['registry', 'url'], 'http://user@registry:8081'),
      inConfig(['registry', 'headers'], { 'X-Team': 'orders', Authorization: `\${AUTHORIZATION}` }),
    ];
    expect(await refusal(helm, ...sets)).toBeUndefined();
  });
});

test('a setting that is null is not set, as null is for Helm', async (context) => {
  const helm = programOrSkip(context, 'helm');
  const sets = ['config.cleanup={"retention":null}', 'config.log.level="debug"'];
  const config = only(manifestsOf(await rendered(helm, 'minimal', ...sets)), 'ConfigMap', /^outbox-relay$/);
  expect(config.data['relay.yaml']).toContain('level: debug');
  expect(config.data['relay.yaml']).not.toContain('null');
});

test('what is beside the containers of the chart is in each Pod that can have it', (context) => {
  for (const { manifest, pod } of podsIn(manifestsIn(context, 'everything'))) {
    const names = (containers: readonly Container[]) => containers.map(({ name }) => name);
    expect(names(pod.initContainers), manifest.metadata.name).toEqual(['certificates']);
    const hasMore = names(pod.containers).includes('collector');
    expect(hasMore, manifest.metadata.name).toBe(manifest.kind === 'Deployment');
  }
});

test('monitors and Deployments have what their values say', (context) => {
  const manifests = manifestsIn(context, 'everything');
  const [endpoint] = only(manifests, 'ServiceMonitor', /./).spec.endpoints;
  expect(endpoint).toEqual({
    port: 'http',
    path: '/metrics',
    interval: '30s',
    scrapeTimeout: '20s',
    relabelings: [{ targetLabel: 'cluster', replacement: 'one' }],
    metricRelabelings: [{ action: 'labeldrop', regex: 'pod' }],
  });
  const deployments = manifests.filter(({ kind }) => kind === 'Deployment');
  expect(deployments).toHaveLength(3);
  for (const { metadata } of deployments)
    expect(metadata.annotations).toEqual({ 'reloader.stakater.com/auto': 'true' });
  expect(only(manifests, 'Job', /./).spec.template.metadata.annotations).toEqual({
    'sidecar.istio.io/inject': 'false',
  });
});

test('the plain manifests are those of the chart: npm run manifests writes them', async (context) => {
  const helm = programOrSkip(context, 'helm');
  for (const { file, text } of await plainManifests(helm))
    expect(await readFile(join(plainFolder, file), 'utf8'), file).toBe(text);
});
