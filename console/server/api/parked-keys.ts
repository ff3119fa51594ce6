/** Parked keys: what waits behind what, and releasing it. */
import { Hono } from 'hono';
import { z } from 'zod';
import { parsePosition } from '../../../relay/model/position.ts';
import { eventsOfParkedKey, pageOfParkedKeys } from '../../../relay/operations/dead-letters/parked-keys.ts';
import {
  type KeyRelease,
  type KeySelection,
  releaseKeys,
} from '../../../relay/operations/dead-letters/release-keys.ts';
import { actorOf, type Env, type Use } from '../use.ts';
import { reason } from './reason.ts';
import { limit, position } from './selection.ts';
import { text } from './text.ts';
import { valid } from './valid.ts';

/** How long a job waits while no relay makes progress, as the command does. */
const waitMs = 30_000;
/** Results of single keys that are kept; the others are counted. */
const resultsMax = 500;

const name = text(100_000);
const after = position.optional();

export type ReleaseResult = {
  readonly keys: number;
  /** By outcome; `pending`: requested, and no relay has done it yet. */
  readonly byOutcome: Readonly<Record<string, number>>;
  readonly published: number;
  /** Those that were not released first. */
  readonly shown: readonly KeyRelease[];
};

export function parkedKeysApi({ config, jobs }: Pick<Use, 'config' | 'jobs'>) {
  return new Hono<Env>()
    .get(
      '/',
      valid('query', z.strictObject({ topic: name.optional(), key: name.optional(), after, limit })),
      async (context) => {
        const { topic, key, after, limit } = context.req.valid('query');
        const selection = {
          ...(topic === undefined ? {} : { topic }),
          ...(key === undefined ? {} : { key }),
          ...(after === undefined ? {} : { after: parsePosition(after)! }),
        };
        return context.json(await pageOfParkedKeys(config, selection, limit));
      },
    )
    .get(
      '/events',
      valid('query', z.strictObject({ topic: name, key: name, after, limit })),
      async (context) => {
        const { topic, key, after, limit } = context.req.valid('query');
        const from = after === undefined ? undefined : parsePosition(after);
        return context.json(await eventsOfParkedKey(config, { topic, key }, from, limit));
      },
    )
    .post(
      '/jobs/release',
      valid(
        'json',
        z.union([
          z.strictObject({
            keys: z
              .array(z.strictObject({ topic: name, key: name }))
              .min(1)
              .max(1_000),
            reason,
          }),
          // However many a list on a page would show of them.
          z.strictObject({ topic: name.min(1), reason }),
          z.strictObject({ all: z.literal(true), reason }),
        ]),
      ),
      (context) => {
        const given = context.req.valid('json');
        const actor = actorOf(context, given.reason);
        const { selection, title } = chosenKeys(given);
        return context.json({
          jobId: jobs.start('release-keys', title, context.get('visitor'), async ({ signal, onProgress }) =>
            resultOf(
              await releaseKeys({
                config,
                selection,
                actor,
                waitMs,
                signal,
                onProgress: (done, total) => onProgress({ done, total, phase: 'releasing' }),
              }),
            ),
          ),
        });
      },
    );
}

type Chosen =
  | { readonly keys: readonly { readonly topic: string; readonly key: string }[] }
  | { readonly topic: string }
  | { readonly all: true };

function chosenKeys(given: Chosen): { selection: KeySelection; title: string } {
  if ('all' in given) return { selection: {}, title: 'Release every parked key' };
  if ('topic' in given)
    return { selection: { topics: [given.topic] }, title: `Release every parked key of ${given.topic}` };
  const [first] = given.keys;
  const title =
    given.keys.length === 1
      ? `Release key ${first!.key.slice(0, 100)} of ${first!.topic}`
      : `Release ${given.keys.length.toLocaleString('en-US')} keys`;
  return { selection: { pairs: given.keys }, title };
}

function resultOf(keys: readonly KeyRelease[]): ReleaseResult {
  const byOutcome: Record<string, number> = {};
  for (const { outcome } of keys) byOutcome[outcome ?? 'none'] = (byOutcome[outcome ?? 'none'] ?? 0) + 1;
  const unfinished = keys.filter(({ outcome }) => outcome !== 'released');
  const finished = keys.filter(({ outcome }) => outcome === 'released');
  return {
    keys: keys.length,
    byOutcome,
    published: keys.reduce((sum, { published }) => sum + published, 0),
    shown: [...unfinished, ...finished].slice(0, resultsMax),
  };
}
