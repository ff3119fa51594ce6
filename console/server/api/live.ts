/** What pages show live: the status and the figures, as server-sent events; and the figures of the last hours. */

import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { withResolvers } from '../../../relay/model/builtins.ts';
import type { Env, Use } from '../use.ts';
import { valid } from './valid.ts';

/** A proxy that cuts silent connections does so after a minute or more. */
const keepAliveMs = 20_000;
/** As many as a chart has pixels, more or less. */
const pointsMax = 720;

export function liveApi({ status, sampler }: Pick<Use, 'status' | 'sampler'>) {
  return new Hono<Env>()
    .get('/', (context) => {
      // Proxies such as nginx would hold events back.
      context.header('x-accel-buffering', 'no');
      return streamSSE(context, async (stream) => {
        const ended = withResolvers<void>();
        // Of each kind only the newest: a page that reads slowly must not fill our memory.
        const waiting = new Map<string, unknown>();
        let isSending = false;
        const send = async (event: string, data: unknown) => {
          waiting.set(event, data);
          if (isSending) return;
          isSending = true;
          for (const [next, newest] of waiting) {
            waiting.delete(next);
            await stream.writeSSE({ event: next, data: JSON.stringify(newest) }).catch(ended.resolve);
          }
          isSending = false;
        };
        const endings = [
          status.subscribe((seen) => void send('status', seen)),
          sampler.subscribe((sampled) => void send('figures', sampled)),
        ];
        const keepAlive = setInterval(() => void send('alive', null), keepAliveMs);
        stream.onAbort(ended.resolve);
        await ended.promise;
        clearInterval(keepAlive);
        for (const end of endings) end();
      });
    })
    .get(
      '/history',
      valid('query', z.object({ seconds: z.coerce.number().int().min(60).max(21_600) })),
      (context) =>
        context.json(sampler.points(Date.now() - context.req.valid('query').seconds * 1_000, pointsMax)),
    );
}
