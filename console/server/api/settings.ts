/** The settings of this process, secrets masked, and what people did to the relay. */
import { Hono } from 'hono';
import { z } from 'zod';
import { describeConfig, settings } from '../../../relay/config/config.ts';
import { cursorPattern, recentActions } from '../../../relay/operations/actions.ts';
import type { Env, Use } from '../use.ts';
import { valid } from './valid.ts';

const page = z.strictObject({
  before: z.string().regex(cursorPattern).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(20),
});

export type ShownSetting = {
  readonly key: string;
  readonly section: string;
  readonly description: string;
  /** Empty where it is not set. Secrets are `***`. */
  readonly value: string;
  /** null where there is none. */
  readonly default: string | null;
  readonly isDefault: boolean;
  /** `default`, a file, the name of a variable, or `not set`. */
  readonly source: string;
  readonly env: string;
  /** A running relay takes it over without a restart. */
  readonly reload: boolean;
};

export function settingsApi({ config, provenance }: Pick<Use, 'config' | 'provenance'>) {
  return new Hono<Env>()
    .get('/', (context) =>
      context.json({
        settings: shownSettings(describeConfig(config, provenance)),
        topicsAllowed: config.topics.allow,
      }),
    )
    .get('/actions', valid('query', page), async (context) => {
      const { before, limit } = context.req.valid('query');
      return context.json(await recentActions(config, limit, before ?? null));
    });
}

/** Exported for its test. */
export function shownSettings(described: ReturnType<typeof describeConfig>): ShownSetting[] {
  return described.map(({ key, value, source, env, reload }, index) => {
    const { path, description, default: fallback } = settings[index]!;
    return {
      key,
      section: path.slice(0, -1).join('.') || path[0]!,
      description,
      value,
      default: fallback === undefined ? null : asShown(fallback),
      isDefault: source === 'default',
      source,
      env,
      reload,
    };
  });
}

const asShown = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.join(',') : JSON.stringify(value);
