/** Long work: what runs and what came of it, followed as server-sent events. */

import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { withResolvers } from '../../../relay/model/builtins.ts';
import type { JobView } from '../jobs.ts';
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
        let isBusy = Promise.resolve();
        const send = (event: string, data: unknown) => {
          isBusy = isBusy
            .then(() => stream.writeSSE({ event, data: JSON.stringify(data) }))
            .catch(over.resolve);
        };
        const flush = () => {
          clearTimeout(timer);
          timer = undefined;
          if (latest !== undefined) send('job', latest);
          if (latest?.state !== undefined && latest.state !== 'running') void isBusy.then(over.resolve);
          latest = undefined;
        };
        const end = jobs.follow(id, visitor, (view) => {
          latest = view;
          if (view.state !== 'running') flush();
          else timer ??= setTimeout(flush, everyMs);
        });
        const keepAlive = setInterval(() => send('alive', null), keepAliveMs);
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
