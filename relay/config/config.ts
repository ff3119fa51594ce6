/**
 * Reads the configuration: defaults, then `relay.yaml`, then the environment. It validates everything at once, so that one
 * run shows every fault, with its key and what is allowed.
 */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { RelayError } from '../errors.ts';
import { fromText, longForms, readSettingsFile, type UnsetReference } from './file.ts';
import { distance, nearestName } from './nearest-name.ts';
import { maskPostgresUrl } from './postgres-url.ts';
import { configRules, reachesOtherProgress } from './rules.ts';
import { type Config, configSchema, reloadable } from './schema.ts';
import type { SettingMeta } from './setting.ts';
import { getIn, hasIn, isTree, setIn, type Tree } from './tree.ts';
import { usesRegistry } from './value-format.ts';

export type { Config } from './schema.ts';

/** One setting as documented: its place in `relay.yaml`, environment variable, default and description. */
export type Setting = SettingMeta & {
  readonly path: readonly string[];
  readonly env: string;
  readonly default: unknown;
  /** Whether it changes without a restart. */
  readonly reload: boolean;
  /** The value that an empty text stands for, if any; `unset` where the key is then absent. */
  readonly off: 'unset' | '' | readonly [] | Readonly<Record<string, never>> | undefined;
};

/**
 * Where an effective value came from: `default`, the file's name, the environment variable's name, or `not set` for a
 * required value that the caller does not need.
 */
export type Provenance = ReadonlyMap<string, string>;

type Environment = Readonly<Record<string, string | undefined>>;

export const settings: readonly Setting[] = listSettings(configSchema, []);

/** A server that a command uses. The settings without a default are the addresses of these. */
export type Need = 'database' | 'kafka' | 'registry';

const allNeeds: readonly Need[] = ['database', 'kafka', 'registry'];

/**
 * Replaces an address that is neither set nor needed. Names under `.invalid` never resolve (RFC 6761), so a command that
 * uses a server without declaring it fails at once, on every machine.
 */
const unsetAddresses: Readonly<Record<Need, { path: readonly string[]; value: unknown }>> = {
  database: { path: ['database', 'url'], value: 'postgres://not-set.invalid/' },
  kafka: { path: ['kafka', 'brokers'], value: ['not-set.invalid:9092'] },
  registry: { path: ['registry', 'url'], value: 'http://not-set.invalid/' },
};

/**
 * Loads and validates the configuration. `file` must exist when given; otherwise `relay.yaml` is read if present. A
 * server that is not among `needs` may go without an address; by default all three are needed.
 * @throws RelayError CONFIG_INVALID naming every faulty key.
 */
export function loadConfig(
  options: { file?: string | undefined; env?: Environment; needs?: readonly Need[] } = {},
): {
  config: Config;
  provenance: Provenance;
  /** The file that was read, if any. */
  file: string | undefined;
} {
  const env = options.env ?? process.env;
  const file =
    options.file ?? env.OUTBOX_RELAY_CONFIG ?? (existsSync('relay.yaml') ? 'relay.yaml' : undefined);
  const faults: string[] = [];
  const { tree, unset } =
    file === undefined ? { tree: {}, unset: [] } : readSettingsFile(file, env, { settings, faults });
  const provenance = new Map<string, string>();
  for (const setting of settings) {
    const key = setting.path.join('.');
    const raw = env[setting.env];
    if (raw !== undefined && (raw !== '' || setting.off !== undefined)) {
      setIn(tree, setting.path, raw === '' ? meaningOfEmpty(setting.off) : fromText(setting, raw, faults));
      provenance.set(key, setting.env);
    } else {
      provenance.set(key, hasIn(tree, setting.path) ? file! : 'default');
    }
  }
  // An empty value in the file means the same: a reference may have inserted nothing.
  for (const { path, off } of settings)
    if (off === 'unset' && getIn(tree, path) === '') setIn(tree, path, undefined);
  const needs = options.needs ?? allNeeds;
  const told = settleReferences(unset, { tree, provenance, needs, faults });
  faults.push(...findMisspelt(env));
  fillUnneeded(tree, needs, provenance);
  return { config: validated(tree, faults, told), provenance, file };
}

/**
 * A reference to a variable that is not set is a fault, unless the environment gives the setting, or it belongs to a server
 * that is not needed: a job that checks schemas has no password of a database.
 * @returns the keys and sections of which nothing else is to be said
 */
function settleReferences(
  unset: readonly UnsetReference[],
  {
    tree,
    provenance,
    needs,
    faults,
  }: { tree: Tree; provenance: Map<string, string>; needs: readonly Need[]; faults: string[] },
): readonly string[] {
  const told: string[] = [];
  for (const { path, variable } of unset) {
    // The key of a map is no setting of its own.
    const setting = settings.find((each) => each.path.every((name, at) => name === path[at]));
    const key = (setting?.path ?? path).join('.');
    if (setting !== undefined && provenance.get(key) === setting.env) continue;
    const section = allNeeds.find((need) => need === path[0]);
    const isNeeded = section === undefined || needs.includes(section);
    if (isNeeded) faults.push(`${path.join('.')} refers to ${variable}, which is not set`);
    setIn(tree, path, undefined);
    provenance.set(key, notSet);
    told.push(isNeeded ? key : section);
  }
  return told;
}

/** Validates settings that a program gives; neither a file nor the environment is read. @throws RelayError CONFIG_INVALID */
export function configOf(settings: unknown): Config {
  if (!isTree(settings)) throw invalid(['the settings must be an object']);
  return validated(longForms(structuredClone(settings)), [], []);
}

/**
 * @param faults found so far
 * @param told keys and sections whose further faults would only repeat these
 */
function validated(tree: Tree, faults: string[], told: readonly string[]): Config {
  const isNew = (key: string) => !told.some((each) => key === each || key.startsWith(`${each}.`));
  const parsed = configSchema.safeParse(tree);
  if (lacksRegistry(tree) && isNew('registry.url')) faults.push(registryRequired);
  if (!parsed.success)
    faults.push(
      ...parsed.error.issues
        .filter(({ path }) => isNew(path.join('.')))
        .map((issue) => describeIssue(issue, tree)),
    );
  else {
    const { kafka, slot } = parsed.data;
    const template = kafka.progressTopic;
    kafka.progressTopic = template.replaceAll('{slot}', slot.name);
    faults.push(...brokenRules(parsed.data, isNew));
    if (reachesOtherProgress(template, parsed.data))
      faults.push('topics.allow must not match the kafka.progressTopic of other slots');
  }
  if (faults.length > 0 || !parsed.success) throw invalid(faults);
  return parsed.data;
}

const registryRequired =
  'registry.url is required, for example http://registry:8081; only records.format: json needs no registry (SCHEMA_REGISTRY_URL)';

/** Asked of the settings as they are given, so that it shows beside every other fault. */
function lacksRegistry(tree: Tree): boolean {
  const records = configSchema.shape.records.safeParse(tree.records);
  if (!records.success || !usesRegistry(records.data)) return false;
  return (
    (tree.registry === undefined || isTree(tree.registry)) && getIn(tree, ['registry', 'url']) === undefined
  );
}

function brokenRules(config: Config, isNew: (key: string) => boolean = () => true): string[] {
  const faults = configRules.map((rule) => rule(config)).filter((fault) => fault !== undefined);
  return faults.filter(({ key }) => isNew(key)).map(({ key, message }) => `${key} ${message}`);
}

function invalid(faults: readonly string[]): RelayError {
  return new RelayError(
    'CONFIG_INVALID',
    `the configuration has ${faults.length} fault(s):\n  ${faults.join('\n  ')}`,
  );
}

/** Keys of the settings that differ: those that changed just now, and those that wait for a restart. */
export type Reloaded = { readonly applied: readonly string[]; readonly needRestart: readonly string[] };

/**
 * Brings the configuration of a running relay up to date, in place: what reads a setting sees the new value the next time.
 * Only settings of `reloadable` change, all of them or none.
 * @throws RelayError CONFIG_INVALID if they do not go together with the other settings as they run; nothing is changed then
 */
export function applyReloadable(running: Config, next: Config): Reloaded {
  const differing = settings.filter(
    ({ path }) => !isDeepStrictEqual(getIn(running, path), getIn(next, path)),
  );
  const [applied, waiting] = [
    differing.filter(({ reload }) => reload),
    differing.filter(({ reload }) => !reload),
  ];
  const change = (config: Config) => {
    for (const { path } of applied) setIn(config, path, getIn(next, path));
  };
  const mixed = structuredClone(running);
  change(mixed);
  const faults = brokenRules(mixed);
  if (faults.length > 0) throw invalid(faults);
  change(running);
  const keys = (some: readonly Setting[]) => some.map(({ path }) => path.join('.'));
  return { applied: keys(applied), needRestart: keys(waiting) };
}

function fillUnneeded(tree: Tree, needs: readonly Need[], provenance: Map<string, string>): void {
  for (const need of allNeeds) {
    const { path, value } = unsetAddresses[need];
    const section = getIn(tree, path.slice(0, -1));
    // A section that is not a mapping is a fault, and must not be overwritten.
    if (needs.includes(need) || hasIn(tree, path) || !(section === undefined || isTree(section))) continue;
    setIn(tree, path, value);
    provenance.set(path.join('.'), notSet);
  }
}

const notSet = 'not set';

/** The effective value of every setting as text, secrets masked. */
export function describeConfig(
  config: Config,
  provenance: Provenance,
): { key: string; value: string; source: string; env: string; reload: boolean }[] {
  return settings.map((setting) => {
    const key = setting.path.join('.');
    const value = getIn(config, setting.path);
    const source = provenance.get(key) ?? 'default';
    const isSet = value !== undefined && source !== notSet;
    const { env, reload } = setting;
    return { key, value: isSet ? mask(setting, value) : '', source, env, reload };
  });
}

function mask(setting: Setting, value: unknown): string {
  const shown = asText(value);
  if (setting.secret === 'whole') return shown === '' ? '' : '***';
  return setting.secret === 'url' ? maskUrl(shown) : shown;
}

/** As the environment variable of the setting takes it. */
export function asText(value: unknown): string {
  if (Array.isArray(value)) return value.join(',');
  if (!isTree(value)) return String(value);
  return Object.entries(value)
    .map(([name, each]) => `${name}=${each}`)
    .join(',');
}

/** A URL, or several, with the password as `***`. What cannot be read as a URL is masked whole. */
export function maskUrl(text: string): string {
  const several = text.split(',');
  if (several.length > 1 && several.every((each) => /^https?:/.test(each)))
    return several.map(maskUrl).join(',');
  if (/^postgres/i.test(text)) return maskPostgresUrl(text);
  if (!URL.canParse(text)) return '***';
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  return url.toString();
}

function listSettings(schema: z.ZodType, path: string[]): Setting[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject)
    return Object.entries(inner.shape).flatMap(([key, child]) =>
      listSettings(child as z.ZodType, [...path, key]),
    );
  const meta = schema.meta() as SettingMeta | undefined;
  if (meta?.kind === undefined) throw new Error(`setting ${path.join('.')} is not described`);
  const fallback = schema.safeParse(undefined);
  return [
    {
      ...meta,
      path,
      env: meta.env ?? environmentName(path),
      default: fallback.success ? fallback.data : undefined,
      reload: reloadable.has(path.join('.')),
      off: offOf(schema, meta.kind, fallback),
    },
  ];
}

function meaningOfEmpty(off: Setting['off']): unknown {
  return off === 'unset' ? undefined : off;
}

/** Derived from the schema, so that no setting can be forgotten. */
function offOf(
  schema: z.ZodType,
  kind: SettingMeta['kind'],
  fallback: z.ZodSafeParseResult<unknown>,
): Setting['off'] {
  if (fallback.success && fallback.data === undefined) return 'unset';
  if (kind === 'string' && schema.safeParse('').success) return '';
  if (kind === 'list' && schema.safeParse([]).success) return [];
  if (kind === 'map' && schema.safeParse({}).success) return {};
  return undefined;
}

function unwrap(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodPrefault ? unwrap(schema.unwrap() as z.ZodType) : schema;
}

/** `publish.lingerMs` is `OUTBOX_RELAY_PUBLISH_LINGER_MS`. */
export function environmentName(path: readonly string[]): string {
  return `OUTBOX_RELAY_${path.map((part) => part.replace(/[A-Z]/g, '_$&')).join('_')}`.toUpperCase();
}

/** Read elsewhere, not settings. */
const otherVariables: ReadonlySet<string> = new Set([
  'OUTBOX_RELAY_CONFIG',
  'OUTBOX_RELAY_CACHE',
  'OUTBOX_RELAY_FAILPOINT',
]);

/** Kubernetes gives each container such variables for every service whose name starts like ours. */
function isOfService(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$/.test(name) ||
    /^(tcp|udp|sctp):\/\//.test(value)
  );
}

/** A misspelled variable is an error, as a misspelled key in the file is: the setting would silently keep another value. */
function findMisspelt(env: Environment): string[] {
  const known = settings.map((setting) => setting.env);
  // Three settings have variables with other names. A name derived from their keys means them.
  const byKey = new Map(settings.map((setting) => [environmentName(setting.path), setting.env]));
  const nearest = (name: string) => byKey.get(nearestName(name, [...byKey.keys()]))!;
  return Object.entries(env)
    .filter(([name, value]) => name.startsWith('OUTBOX_RELAY_') && !isOfService(name, value ?? ''))
    .filter(([name]) => !known.includes(name) && !otherVariables.has(name))
    .map(([name]) => `${name} is not a setting; the nearest is ${nearest(name)}`);
}

/** A letter that is missing, wrong or too much, or two that are swapped. */
const slipOfThePen = 2;

/** Words for the nearest in the section that it is in, or, if none there is near, the one of that name in another. */
function nearestSetting(section: readonly PropertyKey[], name: string): string {
  const within = settings.filter(({ path }) => section.every((part, at) => path[at] === part));
  const names = [...new Set(within.flatMap(({ path }) => path[section.length] ?? []))];
  const nearest = names.length === 0 ? undefined : nearestName(name, names);
  const isNear = nearest !== undefined && distance(name, nearest) <= slipOfThePen;
  const elsewhere = isNear ? undefined : settings.find(({ path }) => path.at(-1) === name);
  if (elsewhere !== undefined) return `; did you mean ${elsewhere.path.join('.')}?`;
  return nearest === undefined ? '' : `; the nearest is ${[...section, nearest].join('.')}`;
}

/** What a setting of several values looks like in the file: people write one value as text. */
const forms = {
  list: (name: string) => `must be a list, also of one value, such as "${name}: [first, second]"`,
  map: (name: string) => `must have names and values, such as "${name}: { name: value }"`,
} as const;

function describeIssue(issue: z.core.$ZodIssue, tree: Tree): string {
  const key = issue.path.join('.');
  const setting = settings.find(({ path }) => path.every((name, at) => name === issue.path[at]));
  if (issue.code === 'unrecognized_keys') {
    const describe = (name: string) =>
      setting?.names === undefined
        ? `${[...issue.path, name].join('.')} is not a setting${nearestSetting(issue.path, name)}`
        : `${key} has no ${JSON.stringify(name)}, only ${setting.names.join(', ')} (${setting.env})`;
    return issue.keys.map(describe).join('\n  ');
  }
  const isWhole = setting?.path.length === issue.path.length && hasIn(tree, setting.path);
  if (isWhole && issue.code === 'invalid_type' && (setting.kind === 'list' || setting.kind === 'map'))
    return `${key} ${forms[setting.kind](setting.path.at(-1)!)} (${setting.env})`;
  // What is wrong with the name of an entry is a level below.
  const { message } = issue.code === 'invalid_key' ? (issue.issues[0] ?? issue) : issue;
  return `${key} ${message.replace(/^Invalid input: /, '')}${setting === undefined ? '' : ` (${setting.env})`}`;
}
