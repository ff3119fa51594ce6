/** Topics of events: what Kafka says of them, and how far consumers are behind. Rates are live (`live/`). */
import { Hono } from 'hono';
import { z } from 'zod';
import { pageOfTopics, readGroupLags } from '../../../relay/operations/topics.ts';
import type { Env, Use } from '../use.ts';
import { limit } from './selection.ts';
import { valid } from './valid.ts';

/** As Kafka has them. */
const name = z.string().regex(/^[a-zA-Z0-9._-]{1,249}$/, 'is no name of a topic');

export function topicsApi({ config }: Pick<Use, 'config'>) {
  return new Hono<Env>()
    .get(
      '/',
      valid(
        'query',
        z.strictObject({
          like: z.string().min(1).max(249).optional(),
          name: name.optional(),
          after: name.optional(),
          limit,
        }),
      ),
      async (context) => {
        const { like, name, after, limit } = context.req.valid('query');
        const selection = {
          ...(like === undefined ? {} : { like }),
          ...(name === undefined ? {} : { names: [name] }),
          ...(after === undefined ? {} : { after }),
        };
        return context.json(await pageOfTopics(config, selection, limit));
      },
    )
    .get('/lag', valid('query', z.strictObject({ topic: name.optional() })), async (context) =>
      context.json(await readGroupLags(config, context.req.valid('query').topic)),
    );
}
