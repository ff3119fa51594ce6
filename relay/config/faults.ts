/** What is wrong with a configuration, each fault with its setting, and where to correct it. */
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { RelayError } from '../errors.ts';
import { counted } from '../model/counted.ts';
import { distance, nearestName, slipOfThePen } from './nearest-name.ts';
import { environmentName, type Setting, settings } from './settings.ts';
import { getIn, hasIn, type Tree } from './tree.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export type Fault = {
  /** A sentence without its full stop. Never with the value, which may be a secret. */
  readonly message: string;
  /** Of the setting, or of what is none; empty for a variable of no setting. */
  readonly path: readonly string[];
  /** That is no setting's, or that is not set although the setting refers to it. */
  readonly variable?: string;
  /** No setting has this name, so nobody knows which one it was meant to be. */
  readonly isUnknown?: true;
};

/** Where the values come from: the file, and by key a variable, `default`, or the file. */
export type Sources = { readonly file: string | undefined; readonly provenance: ReadonlyMap<string, string> };

/** @param sources of settings that were loaded; a program that gives them knows where they are */
export function invalid(faults: readonly Fault[], sources?: Sources): RelayError {
  const messages = faults.map(({ message }) => message);
  return new RelayError(
    'CONFIG_INVALID',
    `the configuration has ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n  ${messages.join('\n  ')}`,
    sources === undefined ? {} : { hint: whereToCorrect(faults, sources) },
  );
}

/** As many as a line holds; the message names all. */
const namedMax = 5;

type Names = Set<string>;

function few(names: readonly string[]): string {
  const rest = names.length - namedMax;
  return names.slice(0, namedMax).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** The file and the variables to correct, with the settings. */
function whereToCorrect(faults: readonly Fault[], { file, provenance }: Sources): string {
  const [inFile, variables, absent, unset] = Array.from({ length: 4 }, () => new Set<string>()) as [
    Names,
    Names,
    Names,
    Names,
  ];
  for (const { path, variable } of faults) {
    const key = path.join('.');
    const setting = settings.find((each) => each.path.join('.') === key);
    const source = provenance.get(key);
    if (variable !== undefined) (path.length > 0 ? unset : variables).add(variable);
    else if (setting !== undefined && source === setting.env) variables.add(`${setting.env} (${key})`);
    else if (setting !== undefined && (source === undefined || source === 'default'))
      absent.add(`${key} (${setting.env})`);
    else inFile.add(key);
  }
  const where = file ?? 'relay.yaml';
  const said = (names: Names, say: (few: string) => string): string[] =>
    names.size === 0 ? [] : [say(few([...names]))];
  return [
    ...said(inFile, (keys) => `Correct ${keys} in ${where}.`),
    ...said(variables, (names) => `Correct in the environment: ${names}.`),
    ...said(unset, (names) => `Set in the environment: ${names}; or correct what refers to it in ${where}.`),
    ...said(absent, (keys) => `Set ${keys} in ${where} or in the environment.`),
    '`outbox-relay config` then shows every setting and where it comes from.',
  ].join(' ');
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
export function findMisspelt(env: Environment): Fault[] {
  const known = settings.map((setting) => setting.env);
  // Three settings have variables with other names. A name derived from their keys means them.
  const byKey = new Map(settings.map((setting) => [environmentName(setting.path), setting.env]));
  const nearest = (name: string) => byKey.get(nearestName(name, [...byKey.keys()]))!;
  return Object.entries(env)
    .filter(([name, value]) => name.startsWith('OUTBOX_RELAY_') && !isOfService(name, value ?? ''))
    .filter(([name]) => !known.includes(name) && !otherVariables.has(name))
    .map(([name]) => ({
      path: [],
      variable: name,
      message: `${name} is not a setting; the nearest is ${nearest(name)}`,
      isUnknown: true,
    }));
}

/** Words for the nearest in the section that it is in, or, if none there is near, the one of that name in another. */
function nearestSetting(section: readonly string[], name: string): string {
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

export function faultsOf(issue: z.core.$ZodIssue, tree: Tree): Fault[] {
  const at = issue.path.map(String);
  const setting = settings.find(({ path }) => path.every((name, index) => name === at[index]));
  if (issue.code === 'unrecognized_keys') {
    if (setting?.names === undefined)
      return issue.keys.map((name) => ({
        path: [...at, name],
        message: `${[...at, name].join('.')} is not a setting${nearestSetting(at, name)}`,
        isUnknown: true,
      }));
    const { names, env, path } = setting;
    return issue.keys.map((name) => ({
      path,
      message: `${at.join('.')} has no ${JSON.stringify(name)}, only ${names.join(', ')} (${env})`,
    }));
  }
  return [{ path: setting?.path ?? at, message: describeIssue(issue, setting, tree) }];
}

/** What a value must be, where its schema does not say so itself. Undefined where the validator's words must do. */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type') return types[issue.expected];
  if (issue.code === 'invalid_value') return `must be ${either(issue.values.map(String))}`;
  if (issue.code === 'too_small' && issue.minimum === 1) return 'must not be empty';
  const unit = issue.code === 'too_big' ? units[issue.origin] : undefined;
  return issue.code === 'too_big' && unit !== undefined
    ? `must have at most ${counted(Number(issue.maximum), ...unit)}`
    : undefined;
};

const types: Readonly<Record<string, string>> = {
  string: 'must be text; put it in quotes',
  boolean: 'must be true or false',
  number: 'must be a number',
  array: 'must be a list',
  object: 'must have settings below it',
  record: 'must have names and values below it',
};

const units: Readonly<Record<string, readonly [one: string, many: string]>> = {
  string: ['character', 'characters'],
  array: ['entry', 'entries'],
};

function either(values: readonly string[]): string {
  const first = values.slice(0, -1).join(', ');
  return first === '' ? values.join() : `${first} or ${values.at(-1)}`;
}

/** Of `null`, which an empty value is in YAML. Undefined for what is required: its schema has an example. */
function noValue({ off, default: fallback }: Setting): string | undefined {
  if (off === undefined && fallback === undefined) return undefined;
  if (off === undefined || off === 'unset' || isDeepStrictEqual(off, fallback))
    return 'has no value; write one, or leave the line out';
  const none = off === '' ? "''" : JSON.stringify(off);
  return `has no value; write ${none} for none, or leave the line out for the default`;
}

function describeIssue(issue: z.core.$ZodIssue, setting: Setting | undefined, tree: Tree): string {
  const key = issue.path.join('.');
  const told =
    setting === undefined || getIn(tree, issue.path.map(String)) !== null ? undefined : noValue(setting);
  if (told !== undefined) return `${key} ${told} (${setting!.env})`;
  const isWhole = setting?.path.length === issue.path.length && hasIn(tree, setting.path);
  if (isWhole && issue.code === 'invalid_type' && (setting.kind === 'list' || setting.kind === 'map'))
    return `${key} ${forms[setting.kind](setting.path.at(-1)!)} (${setting.env})`;
  // What is wrong with the name of an entry is a level below.
  const { message } = issue.code === 'invalid_key' ? (issue.issues[0] ?? issue) : issue;
  return `${key} ${message}${setting === undefined ? '' : ` (${setting.env})`}`;
}
