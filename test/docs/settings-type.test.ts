import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { settingsType, settingsTypeFile } from '../../docs/settings-type.ts';
import type { configSchema } from '../../relay/config/schema.ts';
import type { RelaySettings } from '../../relay/library/settings.ts';

test('the type of the settings is that of the schema: npm run docs brings it up to date', async () => {
  expect(await readFile(settingsTypeFile, 'utf8')).toBe(settingsType());
});

type Mutable<T> = T extends readonly (infer Item)[]
  ? Item[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
type Long = Omit<Mutable<RelaySettings>, 'slot'> & { slot?: Exclude<Mutable<RelaySettings>['slot'], string> };

test('the compiler lets through what the schema takes, and nothing else', () => {
  // Both ways; an error of the compiler is the failure of this test.
  const taken = (settings: Long): Loose<z.input<typeof configSchema>> => settings;
  const typed = (input: Given<z.input<typeof configSchema>>): Partial<Long> => input;
  expect([taken, typed]).toHaveLength(2);
});

/** With `exactOptionalPropertyTypes` a key that is left out may also be undefined here. */
type Loose<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]: Loose<T[Key]> | (undefined extends T[Key] ? undefined : never) }
    : T;

/** The type requires a section with a required key, which zod may take from a default. */
type Given<T> = { [Key in keyof T]-?: Exclude<T[Key], undefined> };
