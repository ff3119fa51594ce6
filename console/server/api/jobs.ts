/** Long work: what runs and what came of it, followed as server-sent events. */

import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { withResolvers } from '../../../relay/model/builtins.ts';
import type { JobView } from '../jobs.ts';
import { Newest } from '../newest.ts';
import type { Env, Use } from '../use.ts';
import { valid } from './valid.ts';

/** A proxy that cuts silent connections does so after a minute or more. */
const keepAliveMs = 20_000;
/** A page need not draw more often. */
const everyMs = 100;

const named = valid('param', z.object({ id: z.uuid() }));

export function jobsApi({ jobs }: Pick<Use, 'jobs'>) {
  return new Hono<Env>()
    .get('/', (context) => context.json({ jobs: jobs.list(context.get('visitor')) }))
    .get('/:id/state', named, (context) =>
      context.json(jobs.find(context.req.valid('param').id, context.get('visitor'))),
    )
    .get('/:id', named, (context) => {
      const { id } = context.req.valid('param');
      const visitor = context.get('visitor');
      jobs.find(id, visitor);
      // Proxies such as nginx would hold events back.
      context.header('x-accel-buffering', 'no');
      return streamSSE(context, async (stream) => {
        const over = withResolvers<void>();
        let latest: JobView | undefined;
        let timer: NodeJS.Timeout | undefined;
        const page = new Newest(stream, over.resolve);
        const flush = () => {
          clearTimeout(timer);
          timer = undefined;
          if (latest === undefined) return;
          const sent = page.send('job', latest);
          if (latest.state !== 'running') void sent.then(over.resolve);
          latest = undefined;
        };
        const end = jobs.follow(id, visitor, (view) => {
          latest = view;
          if (view.state !== 'running') flush();
          else timer ??= setTimeout(flush, everyMs);
        });
        const keepAlive = setInterval(() => void page.send('alive', null), keepAliveMs);
        stream.onAbort(over.resolve);
        await over.promise;
        clearInterval(keepAlive);
        clearTimeout(timer);
        end();
      });
    })
    .post('/:id/cancel', named, (context) =>
      context.json(jobs.cancel(context.req.valid('param').id, context.get('visitor'))),
    );
}
