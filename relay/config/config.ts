/**
 * Reads the configuration: defaults, then `relay.yaml`, then the environment. It validates everything at once, so that one
 * run shows every fault, with its key and what is allowed.
 */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { RelayError } from '../errors.ts';
import { type Fault, faultsOf, findMisspelt, invalid, inWords, type Sources } from './faults.ts';
import { fromText, longForms, readSettingsFile, type UnsetReference } from './file.ts';
import { maskUrl } from './mask-url.ts';
import { configRules, reachesOtherProgress } from './rules.ts';
import { type Config, configSchema } from './schema.ts';
import { type Setting, settings } from './settings.ts';
import { getIn, hasIn, isTree, removeIn, setIn, type Tree } from './tree.ts';
import { usesRegistry } from './value-format.ts';

export type { Config } from './schema.ts';
export { environmentName, type Setting, settings } from './settings.ts';

/**
 * Where an effective value came from: `default`, the file's name, the environment variable's name, or `not set` for a
 * required value that the caller does not need.
 */
export type Provenance = ReadonlyMap<string, string>;

type Environment = Readonly<Record<string, string | undefined>>;

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

export type LoadOptions = {
  readonly file?: string | undefined;
  readonly env?: Environment;
  readonly needs?: readonly Need[];
};

export type Loaded = {
  readonly config: Config;
  readonly provenance: Provenance;
  /** The file that was read, if any. */
  readonly file: string | undefined;
};

/**
 * Loads and validates the configuration. `file` must exist when given; otherwise `relay.yaml` is read if present. A
 * server that is not among `needs` may go without an address; by default all three are needed.
 * @throws RelayError CONFIG_INVALID naming every faulty key, the file and the variables
 */
export function loadConfig(options: LoadOptions = {}): Loaded {
  const { tree, told, faults, needs: _, ...sources } = read(options);
  return { config: validated(tree, faults, told, sources), ...sources };
}

/**
 * The same for a command that shows what it can: a setting with a fault counts with its default, and `fault` says so. Never
 * what says which outbox is meant: of another one nothing is to be shown.
 * @throws RelayError CONFIG_INVALID if a fault concerns that, or may
 */
export function loadDespiteFaults(
  options: LoadOptions = {},
): Loaded & { readonly fault: RelayError | undefined } {
  let reading: Reading;
  let fault: RelayError | undefined;
  let isBlind = false;
  try {
    reading = read(options);
  } catch (error) {
    // Nothing is known of the file, but what the environment says.
    if (!(error instanceof RelayError)) throw error;
    fault = error;
    isBlind = true;
    reading = read({ ...options, file: '' });
  }
  const { tree, told, needs, faults, ...sources } = reading;
  let judged = judge(tree, faults, told);
  fault ??= judged.faults.length === 0 ? undefined : invalid(judged.faults, sources);
  // A name that is no setting may have been meant to be one of these.
  isBlind ||= judged.faults.some(({ isUnknown }) => isUnknown);
  if (isBlind && !saysWhichOutbox.every((key) => sources.provenance.get(key) !== 'default')) throw fault;
  // A default may break a rule that the faulty value kept: such a setting counts with its default, too.
  for (let round = 0; judged.config === undefined; round++) {
    // What is missing where the rest of its section needs it leaves with that section.
    const paths = judged.faults.map(({ path }) => (hasIn(tree, path) ? path : path.slice(0, -1)));
    if (round > settings.length || judged.faults.some(({ path }) => isVital(path))) throw fault;
    for (const path of paths) if (path.length > 0 && !isVital(path)) removeIn(tree, path);
    fillUnneeded(tree, needs, new Map(sources.provenance));
    judged = judge(tree, [], told);
  }
  return { config: judged.config, ...sources, fault };
}

/** Settings by which a command finds the outbox. */
const saysWhichOutbox = ['slot.name', 'database.url'];
const vital = ['slot.name', 'database', 'outbox.table'];

/** Whether a fault there concerns which outbox is meant, or a section that holds what says so. */
function isVital(path: readonly string[]): boolean {
  const key = path.join('.');
  return vital.some((each) => `${each}.`.startsWith(`${key}.`) || `${key}.`.startsWith(`${each}.`));
}

/** What was read, before it is judged. */
type Reading = {
  readonly tree: Tree;
  readonly provenance: Map<string, string>;
  readonly file: string | undefined;
  readonly needs: readonly Need[];
  readonly faults: readonly Fault[];
  /** Keys and sections whose further faults would only repeat these. */
  readonly told: readonly string[];
};

/** @param options.file empty for none. @throws RelayError CONFIG_INVALID for a file of which nothing can be read */
function read(options: LoadOptions): Reading {
  const env = options.env ?? process.env;
  const file =
    (options.file ?? env.OUTBOX_RELAY_CONFIG ?? (existsSync('relay.yaml') ? 'relay.yaml' : '')) || undefined;
  const faults: Fault[] = [];
  const { tree, unset } =
    file === undefined ? { tree: {}, unset: [] } : readSettingsFile(file, env, { settings, faults });
  const noSections = removeWhatIsNoSection(tree, faults);
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
  return { tree, provenance, file, needs, faults, told: [...told, ...noSections] };
}

const sections = new Set(
  settings.flatMap(({ path }) => path.slice(1).map((_, at) => path.slice(0, at + 1).join('.'))),
);

/**
 * `kafka: fast`, which a variable of a setting of that section would replace, and nobody would hear of it.
 * @returns the sections of which nothing else is to be said
 */
function removeWhatIsNoSection(tree: Tree, faults: Fault[]): string[] {
  const wrong = [...sections].filter((key) => !isTree(getIn(tree, key.split('.')) ?? {}));
  for (const key of wrong) {
    faults.push({ path: key.split('.'), message: `${key} must have settings below it` });
    removeIn(tree, key.split('.'));
  }
  return wrong;
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
  }: { tree: Tree; provenance: Map<string, string>; needs: readonly Need[]; faults: Fault[] },
): readonly string[] {
  const told: string[] = [];
  for (const { path, variable } of unset) {
    // The key of a map is no setting of its own.
    const setting = settings.find((each) => each.path.every((name, at) => name === path[at]));
    const key = (setting?.path ?? path).join('.');
    if (setting !== undefined && provenance.get(key) === setting.env) continue;
    const section = allNeeds.find((need) => need === path[0]);
    const isNeeded = section === undefined || needs.includes(section);
    if (isNeeded)
      faults.push({
        path: setting?.path ?? path,
        variable,
        message: `${path.join('.')} refers to ${variable}, which is not set`,
      });
    setIn(tree, path, undefined);
    provenance.set(key, notSet);
    told.push(isNeeded ? key : section);
  }
  return told;
}

/** Validates settings that a program gives; neither a file nor the environment is read. @throws RelayError CONFIG_INVALID */
export function configOf(settings: unknown): Config {
  if (!isTree(settings)) throw invalid([{ path: [], message: 'the settings must be an object' }]);
  return validated(longForms(structuredClone(settings)), [], []);
}

function validated(tree: Tree, before: readonly Fault[], told: readonly string[], sources?: Sources): Config {
  const { config, faults } = judge(tree, before, told);
  if (config === undefined) throw invalid(faults, sources);
  return config;
}

/**
 * @param before faults that were found so far
 * @param told keys and sections whose further faults would only repeat these
 * @returns no configuration if there is a fault
 */
function judge(
  tree: Tree,
  before: readonly Fault[],
  told: readonly string[],
): { readonly config: Config | undefined; readonly faults: readonly Fault[] } {
  const isNew = (key: string) => !told.some((each) => key === each || key.startsWith(`${each}.`));
  const faults = [...before];
  const parsed = configSchema.safeParse(tree, { error: inWords });
  if (lacksRegistry(tree) && isNew('registry.url'))
    faults.push({ path: ['registry', 'url'], message: registryRequired });
  if (!parsed.success)
    faults.push(
      ...unlike(
        parsed.error.issues
          .filter(({ path }) => isNew(path.join('.')))
          .flatMap((issue) => faultsOf(issue, tree)),
      ),
    );
  else {
    const { kafka, slot } = parsed.data;
    const template = kafka.progressTopic;
    kafka.progressTopic = template.replaceAll('{slot}', slot.name);
    faults.push(...brokenRules(parsed.data, isNew));
    if (reachesOtherProgress(template, parsed.data))
      faults.push({
        path: ['topics', 'allow'],
        message: 'topics.allow must not match the kafka.progressTopic of other slots',
      });
  }
  // Everything that is wrong with the schema may be told already.
  return { config: parsed.success && faults.length === 0 ? parsed.data : undefined, faults };
}

/** One number may break several rules of its type, which say the same. */
const unlike = (faults: readonly Fault[]): Fault[] => [
  ...new Map(faults.map((fault) => [fault.message, fault])).values(),
];

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

function brokenRules(config: Config, isNew: (key: string) => boolean = () => true): Fault[] {
  const faults = configRules.map((rule) => rule(config)).filter((fault) => fault !== undefined);
  return faults
    .filter(({ key }) => isNew(key))
    .map(({ key, message }) => ({ path: key.split('.'), message: `${key} ${message}` }));
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

function meaningOfEmpty(off: Setting['off']): unknown {
  return off === 'unset' ? undefined : off;
}
