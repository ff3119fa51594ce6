/** What pages show live: the status and the figures, as server-sent events; and the figures of the last hours. */

import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { withResolvers } from '../../../relay/model/builtins.ts';
import { Newest } from '../newest.ts';
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
        const page = new Newest(stream, ended.resolve);
        const endings = [
          status.subscribe((seen) => void page.send('status', seen)),
          sampler.subscribe((sampled) => void page.send('figures', sampled)),
        ];
        const keepAlive = setInterval(() => void page.send('alive', null), keepAliveMs);
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
