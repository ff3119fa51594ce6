/** What a setting is made of: its type, its default and what is documented of it, in one expression for each kind. */
import { z } from 'zod';
import { count } from '../model/counted.ts';
import { durationPattern } from './duration.ts';
import { urlFault } from './url.ts';

// zod would compile a parser for each object, which takes three times as long as it takes to read the settings once.
z.config({ jitless: true });

export type SettingMeta = {
  readonly kind: 'string' | 'integer' | 'boolean' | 'list' | 'map';
  readonly description: string;
  /** Of a map: the names that it takes. */
  readonly names?: readonly string[];
  /** Environment variable, where it is not the one derived from the path. */
  readonly env?: string;
  /** Shown as `***`; a URL keeps what is no secret in it. */
  readonly secret?: 'whole' | 'url';
};

export const text = (description: string, fallback: string, extra: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1, 'must not be empty')
    .default(fallback)
    .meta({ kind: 'string', description, ...extra });

/** Text for which the empty string means that there is none. */
export const textOrNone = (description: string, fallback: string) =>
  z.string().default(fallback).meta({ kind: 'string', description });

export const optionalText = (description: string, extra: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1)
    .optional()
    .meta({ kind: 'string', description, ...extra });

export const integer = (description: string, fallback: number, minimum: number, maximum: number) =>
  within(minimum, maximum).default(fallback).meta({ kind: 'integer', description });

export const optionalInteger = (description: string, minimum: number, maximum: number) =>
  within(minimum, maximum).optional().meta({ kind: 'integer', description });

/** Whatever is wrong with the number, the fault is one, and names both limits. */
function within(minimum: number, maximum: number) {
  const to = maximum === Number.MAX_SAFE_INTEGER ? 'on' : `to ${count(maximum)}`;
  const error = `must be a whole number from ${count(minimum)} ${to}`;
  return z.number({ error }).int({ error }).min(minimum, { error }).max(maximum, { error });
}

/** A length of time as text, such as `3d`; `durationMs` reads it. */
export const optionalDuration = (description: string, example: string) =>
  z
    .string()
    .regex(durationPattern, `must be a number and one of s, m, h or d, for example ${example}`)
    .optional()
    .meta({ kind: 'string', description });

export const flag = (description: string, fallback: boolean) =>
  z.boolean().default(fallback).meta({ kind: 'boolean', description });

export const choice = <const T extends readonly [string, ...string[]]>(
  description: string,
  options: T,
  fallback: T[number],
) => z.enum(options).default(fallback).meta({ kind: 'string', description });

export const map = <
  const Name extends readonly [string, ...string[]],
  const Value extends readonly [string, ...string[]],
>(
  description: string,
  names: Name,
  values: Value,
) => z.partialRecord(z.enum(names), z.enum(values)).default({}).meta({ kind: 'map', description, names });

/** Names and values of the other side's choosing. They may hold a secret. */
export const pairs = (description: string) =>
  z.record(z.string().min(1), z.string()).default({}).meta({ kind: 'map', description, secret: 'whole' });

/** A section takes its defaults from its keys, so that an absent section equals an empty one. */
export const section = <T extends z.ZodRawShape>(shape: T) => z.prefault(z.strictObject(shape), {} as never);

export const MiB = 1024 * 1024;

/** Of a server: by its protocol, or what is wrong with the rest. */
export const address = (protocol: RegExp, message: string, example: string) =>
  z.string({ error: `is required, for example ${example}` }).superRefine((text, context) => {
    const fault = protocol.test(text) ? urlFault(text) : message;
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

/** Several of them, separated by commas: each is checked. */
export const addresses = (protocol: RegExp, message: string, example: string) =>
  z.string({ error: `is required, for example ${example}` }).superRefine((text, context) => {
    const several = text.split(',');
    // Between two addresses, or in a password, which it must not be.
    const hint = several.length > 1 && text.includes('@') ? '; a comma in user or password is %2C' : '';
    for (const each of several) {
      const fault = protocol.test(each) ? urlFault(each) : message;
      if (fault !== undefined) context.addIssue({ code: 'custom', message: `${fault}${hint}` });
    }
  });
