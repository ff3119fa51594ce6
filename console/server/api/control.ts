/** Pause, resume and rate limit. */

import { Hono } from 'hono';
import { z } from 'zod';
import { limitRate, pauseRelay, resumeRelay } from '../../../relay/operations/control.ts';
import { actorOf, type Env, type Use } from '../use.ts';
import { reason } from './reason.ts';
import { text } from './text.ts';
import { valid } from './valid.ts';

/** How long a request waits until the relay obeys; it does within a second or two. */
const waitMs = 5_000;
const secondsMax = 366 * 86_400;
/** null: everything. To Postgres an empty name is everything, too. */
const topic = text(249).min(1).nullable();
const rate = z.number().int().min(0).max(100_000_000).nullable().optional();

export function controlApi({ config }: Pick<Use, 'config'>) {
  return new Hono<Env>()
    .post(
      '/pause',
      valid(
        'json',
        z.object({
          topic,
          mode: z.enum(['hold', 'set-aside']),
          forSeconds: z.number().int().min(1).max(secondsMax).nullable(),
          reason,
        }),
      ),
      async (context) => {
        const { topic, mode, forSeconds, reason } = context.req.valid('json');
        const actor = actorOf(context, reason);
        return context.json(
          await pauseRelay({
            config,
            actor,
            waitMs,
            isDryRun: false,
            topic: topic ?? undefined,
            mode,
            forSeconds: forSeconds ?? undefined,
          }),
        );
      },
    )
    .post('/resume', valid('json', z.object({ topic, reason })), async (context) => {
      const { topic, reason } = context.req.valid('json');
      const actor = actorOf(context, reason);
      return context.json(
        await resumeRelay({
          config,
          actor,
          waitMs,
          isDryRun: false,
          what: topic === null ? 'everything' : { topic },
        }),
      );
    })
    .post(
      '/rate-limit',
      valid(
        'json',
        z
          .object({ eventsPerSecond: rate, bytesPerSecond: rate, reason })
          .refine(
            ({ eventsPerSecond, bytesPerSecond }) =>
              eventsPerSecond !== undefined || bytesPerSecond !== undefined,
            'say which limit',
          ),
      ),
      async (context) => {
        const { eventsPerSecond, bytesPerSecond, reason } = context.req.valid('json');
        const actor = actorOf(context, reason);
        return context.json(
          await limitRate({ config, actor, waitMs, isDryRun: false, eventsPerSecond, bytesPerSecond }),
        );
      },
    );
}
