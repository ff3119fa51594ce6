/**
 * Reads `relay.yaml`: what it says, with the variables that it refers to. It judges nothing. No message quotes a line, since
 * a line may hold a secret.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { RelayError } from '../errors.ts';
import type { Fault } from './faults.ts';
import type { SettingMeta } from './setting.ts';
import { isTree, type Tree } from './tree.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A setting, as far as it decides how text is read. */
type Described = {
  readonly path: readonly string[];
  readonly kind: SettingMeta['kind'];
  readonly env: string;
};

/** A reference without a fallback, to a variable that is not set. */
export type UnsetReference = { readonly path: readonly string[]; readonly variable: string };

/** @throws RelayError CONFIG_INVALID */
export function readSettingsFile(
  file: string,
  env: Environment,
  { settings, faults }: { readonly settings: readonly Described[]; readonly faults: Fault[] },
): { tree: Tree; unset: readonly UnsetReference[] } {
  const found = parsed(file);
  if (!isTree(found))
    throw new RelayError('CONFIG_INVALID', `${file} must hold a mapping of settings`, {
      hint: `Correct ${file}: each line is the name of a setting, a colon and its value. ${template}`,
    });
  const unset: UnsetReference[] = [];
  return { tree: interpolate(longForms(found), [], { env, settings, unset, faults }) as Tree, unset };
}

const template = '`outbox-relay config --defaults` prints a file with every setting.';

function parsed(file: string): unknown {
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (cause) {
    const why = 'code' in (cause as Error) ? ` (${(cause as NodeJS.ErrnoException).code})` : '';
    throw new RelayError('CONFIG_INVALID', `the configuration file ${file} cannot be read${why}`, {
      cause,
      hint: `Name another file with -c or OUTBOX_RELAY_CONFIG, or make ${file} readable. ${template}`,
    });
  }
  // Loaded here: it takes a tenth of the start of a process, and most commands have no file.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const document = parseDocument(source);
  if (document.errors.length > 0) {
    const { code, linePos } = document.errors[0]!;
    const line = linePos?.[0].line;
    // The message of the error quotes the file, which may hold a password.
    const reason = code.toLowerCase().replaceAll('_', ' ');
    throw new RelayError(
      'CONFIG_INVALID',
      `${file} is not valid YAML${line === undefined ? '' : ` at line ${line}`}: ${reason}`,
      {
        hint: `Correct ${file}${line === undefined ? '' : `, at or near line ${line}`}. ${template}`,
      },
    );
  }
  return document.toJS() ?? {};
}

/** `slot: <name>` is short for the section with the name alone. */
export function longForms(tree: Tree): Tree {
  const { slot } = tree;
  return slot === undefined || slot === null || isTree(slot) ? tree : { ...tree, slot: { name: slot } };
}

type Surroundings = {
  readonly env: Environment;
  readonly settings: readonly Described[];
  /** Gets each reference to a variable that is not set. */
  readonly unset: UnsetReference[];
  readonly faults: Fault[];
};

/**
 * `${NAME}` stands for an environment variable, `${NAME:-fallback}` for one with a fallback. The result is read as the
 * setting's kind requires, so that numbers can be interpolated too.
 */
function interpolate(value: unknown, path: readonly string[], surroundings: Surroundings): unknown {
  // A variable in a list may hold several of its items, as it does where it stands for the whole list.
  if (Array.isArray(value)) return value.flatMap((item) => interpolate(item, path, surroundings));
  if (isTree(value))
    return Object.fromEntries(
      Object.entries(value)
        // A section whose keys are all commented out is null in YAML, and means the same as an absent one. A setting that is
        // null stays, and is a fault: nobody knows whether its default is meant, or none.
        .filter(([key, child]) => child !== null || !isSection([...path, key], surroundings.settings))
        .map(([key, child]) => [key, interpolate(child, [...path, key], surroundings)]),
    );
  if (typeof value !== 'string' || !value.includes('${')) return value;
  const { env, settings, unset, faults } = surroundings;
  const text = value.replace(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (_, variable: string, fallback?: string) => {
      const found = env[variable];
      if (found !== undefined && found !== '') return found;
      if (fallback === undefined) unset.push({ path, variable });
      return fallback ?? '';
    },
  );
  const setting = settings.find((candidate) => candidate.path.join('.') === path.join('.'));
  return setting === undefined ? text : fromText(setting, text, faults);
}

const isSection = (path: readonly string[], settings: readonly Described[]): boolean =>
  settings.some((each) => each.path.length > path.length && path.every((key, at) => each.path[at] === key));

/** The value that a text stands for, in a variable as where the file refers to one. */
export function fromText(setting: Described, raw: string, faults: Fault[]): unknown {
  switch (setting.kind) {
    case 'integer':
      return /^-?\d+$/.test(raw) ? Number(raw) : raw;
    case 'boolean':
      return raw === 'true' ? true : raw === 'false' ? false : raw;
    case 'list':
      return partsOf(raw);
    case 'map': {
      const pairs = partsOf(raw).map((part) => [
        part.replace(/\s*=.*$/s, ''),
        part.replace(/^[^=]*=?\s*/, ''),
      ]);
      const names = pairs.map(([name]) => name);
      const twice = names.find((name, at) => names.indexOf(name) < at);
      // In a file, this is no YAML.
      if (twice !== undefined) {
        const { path, env } = setting;
        faults.push({ path, message: `${path.join('.')} names ${twice} twice (${env})` });
      }
      return Object.fromEntries(pairs);
    }
    default:
      return raw;
  }
}

const partsOf = (raw: string): string[] =>
  raw
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
