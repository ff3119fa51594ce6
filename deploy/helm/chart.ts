/**
 * Owns what the chart takes from elsewhere: the settings of the relay in values.schema.json, the alert rules, the dashboard,
 * and the table of values in its README. `npm run docs` writes them; a test fails when they are out of date. So a value
 * that the relay would refuse is refused by Helm, before it reaches the cluster.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { code, table } from '../../docs/markdown.ts';
import { configSchema } from '../../relay/config/schema.ts';
import { secretKeyEnd } from '../../relay/config/secret-keys.ts';
import { settings } from '../../relay/config/settings.ts';
import { dashboardFile } from '../grafana/dashboard.ts';

export const chartFolder = join(import.meta.dirname, 'outbox-relay');
const rulesFile = join(import.meta.dirname, '../prometheus/outbox-relay.rules.yaml');
const valuesFile = join(chartFolder, 'values.yaml');

type Schema = { readonly [key: string]: unknown };

/** Each file of the chart that is made from others. */
export async function chartFiles(): Promise<{ readonly file: string; readonly text: string }[]> {
  const values = await readFile(valuesFile, 'utf8');
  const readme = join(chartFolder, 'README.md');
  return [
    { file: join(chartFolder, 'values.schema.json'), text: valuesSchema() },
    { file: join(chartFolder, 'files/secret-settings.json'), text: secretSettings() },
    { file: join(chartFolder, 'files/secret-key-end.txt'), text: secretKeyEnd },
    { file: join(chartFolder, 'files/outbox-relay.rules.yaml'), text: await readFile(rulesFile, 'utf8') },
    { file: join(chartFolder, 'files/outbox-relay.json'), text: await readFile(dashboardFile, 'utf8') },
    { file: readme, text: withTable(await readFile(readme, 'utf8'), values) },
  ];
}

/** What the templates keep out of the ConfigMap, one setting a line. */
function secretSettings(): string {
  const secrets = settings.filter(({ secret }) => secret !== undefined);
  const lines = secrets.map(({ path, env, kind, secret }) =>
    JSON.stringify({ path, env, form: kind === 'map' ? 'map' : secret }),
  );
  return `[\n  ${lines.join(',\n  ')}\n]\n`;
}

const [begin, end] = ['<!-- generated:values -->\n', '<!-- /generated:values -->'];

function withTable(readme: string, values: string): string {
  const [before, rest] = readme.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error('the README of the chart has no region for the values');
  const rows = documentedValues(values).map(({ path, text, fallback }) => [code(path), fallback, text]);
  return `${before}${begin}\n${table(['value', 'default', 'meaning'], rows)}\n\n${end}${after}`;
}

export type DocumentedValue = { readonly path: string; readonly text: string; readonly fallback: string };

/** The values that a line `# --` describes, in their order. */
export function documentedValues(text: string): DocumentedValue[] {
  const tree: unknown = parse(text);
  const documented: DocumentedValue[] = [];
  const path: { readonly indent: number; readonly key: string }[] = [];
  let description: string | undefined;
  for (const line of text.split('\n')) {
    const [, said] = /^ *# -- (.*)$/.exec(line) ?? [];
    if (said !== undefined) description = said;
    const [, spaces, key] = /^( *)([A-Za-z]\w*):/.exec(line) ?? [];
    if (spaces === undefined || key === undefined) continue;
    while ((path.at(-1)?.indent ?? -1) >= spaces.length) path.pop();
    path.push({ indent: spaces.length, key });
    if (description === undefined) continue;
    const keys = path.map((each) => each.key);
    documented.push({ path: keys.join('.'), text: description, fallback: defaultOf(valueAt(tree, keys)) });
    description = undefined;
  }
  return documented;
}

/** The paths of all values that hold no further ones. */
export function leafPaths(text: string): string[] {
  const leaves = (value: unknown, path: readonly string[]): string[] =>
    isMap(value) && Object.keys(value).length > 0
      ? Object.entries(value).flatMap(([key, child]) => leaves(child, [...path, key]))
      : [path.join('.')];
  return leaves(parse(text), []);
}

const valueAt = (tree: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), tree);

function defaultOf(value: unknown): string {
  return value === '' ? '' : code(JSON.stringify(value));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A map whose keys are all known. */
const known = (properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...more,
});

const [text, flag, map, list]: Schema[] = [
  { type: 'string' },
  { type: 'boolean' },
  { type: 'object' },
  { type: 'array' },
];
const filled = { type: 'string', minLength: 1 };
const count = (minimum: number): Schema => ({ type: 'integer', minimum });
const duration = { type: 'string', pattern: '^([0-9]+(ms|s|m|h))+$' };
const textMap = { type: 'object', additionalProperties: { type: 'string' } };
/** Kubernetes describes these; its API server refuses what is wrong. */
const resources = known({ requests: map!, limits: map!, claims: list! });
const secretEnv: Schema = {
  type: 'object',
  propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
  additionalProperties: known({ name: filled, key: filled }, { required: ['name', 'key'] }),
};
const optionalDuration = { anyOf: [duration, { const: '' }] };
const maps: Schema = { type: 'array', items: map! };
const monitor = known({
  enabled: flag!,
  labels: textMap,
  interval: duration,
  scrapeTimeout: optionalDuration,
  relabelings: maps,
  metricRelabelings: maps,
});
const containers: Schema = { type: 'array', items: { type: 'object', required: ['name', 'image'] } };

function valuesSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart outbox-relay',
    ...known({
      replicas: count(0),
      config: settingsSchema(),
      secretEnv,
      extraEnv: { type: 'array', items: { type: 'object', required: ['name'] } },
      extraVolumes: { type: 'array', items: { type: 'object', required: ['name'] } },
      extraVolumeMounts: { type: 'array', items: { type: 'object', required: ['name', 'mountPath'] } },
      initContainers: containers,
      extraContainers: containers,
      extraObjects: { type: 'array', items: { type: ['string', 'object'] } },
      image: known({
        repository: filled,
        tag: text!,
        digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
        pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
        pullSecrets: { type: 'array', items: filled },
      }),
      nameOverride: text!,
      fullnameOverride: text!,
      commonLabels: textMap,
      serviceAccount: known({ create: flag!, name: text!, annotations: textMap }),
      resources,
      terminationGracePeriodSeconds: count(1),
      minReadySeconds: count(0),
      deploymentAnnotations: textMap,
      podAnnotations: textMap,
      podLabels: textMap,
      podSecurityContext: map!,
      securityContext: map!,
      livenessProbe: map!,
      readinessProbe: map!,
      nodeSelector: textMap,
      tolerations: list!,
      affinity: map!,
      topologySpreadConstraints: list!,
      priorityClassName: text!,
      podDisruptionBudget: known({
        enabled: flag!,
        maxUnavailable: { anyOf: [count(0), { type: 'string', pattern: '^[0-9]+%$' }] },
      }),
      migrations: known({
        enabled: flag!,
        roles: flag!,
        secret: known({ name: text!, key: filled }),
        activeDeadlineSeconds: count(1),
        serviceAccountName: filled,
        podAnnotations: textMap,
        resources,
      }),
      audit: known({
        enabled: flag!,
        everyMinutes: { type: 'integer', minimum: 1, maximum: 1_440 },
        secretEnv,
        resources,
      }),
      console: known({
        enabled: flag!,
        secretEnv,
        resources,
        service: known({ port: { type: 'integer', minimum: 1, maximum: 65_535 }, annotations: textMap }),
        ingress: known({
          enabled: flag!,
          className: text!,
          annotations: textMap,
          host: text!,
          path: { type: 'string', pattern: '^/' },
          tlsSecret: text!,
        }),
      }),
      podMonitor: monitor,
      serviceMonitor: monitor,
      prometheusRule: known({
        enabled: flag!,
        labels: textMap,
        runbookUrl: { type: 'string', pattern: '^https?://' },
      }),
      dashboard: known({ enabled: flag!, labels: textMap, annotations: textMap }),
      networkPolicy: known({ enabled: flag!, metricsFrom: list!, consoleFrom: list!, egress: list! }),
      global: map!,
    }),
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

/** A setting may come from a variable, `${NAME}`, whatever its type; and what is required may be a variable of a Secret. */
function settingsSchema(): Schema {
  const all = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
  }) as Schema;
  const { properties, ...rest } = relaxed(all) as { readonly properties: Record<string, Schema> };
  return { ...rest, properties: { ...properties, slot: { anyOf: [filled, properties.slot!] } } };
}

const variable = { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}' };

function relaxed(schema: Schema): Schema {
  const { $schema: _, required: __, default: ___, properties, ...rest } = schema;
  if (isMap(properties)) {
    const children = Object.entries(properties).map(([key, child]) => [key, relaxed(child as Schema)]);
    return { ...rest, properties: Object.fromEntries(children) };
  }
  const { description, kind: _kind, names: _names, env: _env, secret: _secret, ...type } = rest;
  return {
    ...(description === undefined ? {} : { description }),
    anyOf: [type, variable, { type: 'null' }],
  };
}
