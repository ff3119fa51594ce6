/** Every setting as it is documented, taken from the schema. */
import { z } from 'zod';
import { configSchema, reloadable } from './schema.ts';
import type { SettingMeta } from './setting.ts';

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

export const settings: readonly Setting[] = listSettings(configSchema, []);

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
