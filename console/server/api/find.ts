/** Finding an event. The answer comes in lines: what is being read, then what was found, or why nothing can be said. */
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import { asRelayError, RequestInvalid } from '../../../relay/errors.ts';
import { findEvents } from '../../../relay/operations/find-event/find-event.ts';
import type { FindStep, Found, Wanted } from '../../../relay/operations/find-event/found.ts';
import { recentTransactions } from '../../../relay/operations/recent-transactions.ts';
import { type Fault, faultOf } from '../fault.ts';
import { kept } from '../kept.ts';
import type { Env, Use } from '../use.ts';
import { valid } from './valid.ts';

export type FindLine = { readonly step: FindStep } | { readonly found: Found } | { readonly fault: Fault };

const time = z.iso.datetime({ offset: true }).optional();
const query = z.object({
  by: z.enum(['id', 'position', 'key', 'type']),
  value: z.string().min(1, 'what to look for').max(10_000),
  since: time,
  until: time,
  limit: z.coerce.number().int().min(1).max(200).default(20),
  records: z.coerce.number().int().min(1).max(2_000_000).default(100_000),
});

/** A step more often than this is not read. */
const stepEveryMs = 200;
/** Of the pages that ask, one reads. */
const transactionsKeptMs = 4_000;

export function findApi({ config, log }: Pick<Use, 'config' | 'log'>) {
  const transactions = kept(transactionsKeptMs, () => recentTransactions({ config, log }));
  return new Hono<Env>()
    .get('/', valid('query', query), (context) => {
      const { by, value, since, until, limit, records } = context.req.valid('query');
      const wanted: Wanted = {
        by: wantedBy(by, value),
        since: since === undefined ? null : new Date(since),
        until: until === undefined ? null : new Date(until),
      };
      context.header('content-type', 'application/x-ndjson');
      // Neither compression nor a proxy such as nginx may hold lines back.
      context.header('transfer-encoding', 'chunked');
      context.header('x-accel-buffering', 'no');
      return stream(context, async (out) => {
        const ending = new AbortController();
        out.onAbort(() => ending.abort());
        const write = (line: FindLine) => out.write(`${JSON.stringify(line)}\n`);
        let steppedMs = 0;
        const onStep = (step: FindStep) => {
          if (performance.now() - steppedMs < stepEveryMs) return;
          steppedMs = performance.now();
          void write({ step });
        };
        try {
          const { signal } = ending;
          const found = await findEvents({ config, log, wanted, limit, recordsMax: records, signal, onStep });
          await write({ found });
        } catch (error) {
          if (!ending.signal.aborted) await write({ fault: asFault(error) });
        }
      });
    })
    .get('/transactions', async (context) => context.json(await transactions()));
}

function wantedBy(by: z.infer<typeof query>['by'], value: string): Wanted['by'] {
  switch (by) {
    case 'id':
      return { kind: 'id', id: value };
    case 'position':
      return { kind: 'position', position: value };
    case 'key':
      return { kind: 'key', key: value };
    case 'type':
      return { kind: 'type', type: value };
  }
}

const asFault = (error: unknown): Fault =>
  error instanceof RequestInvalid
    ? { code: 'REQUEST_INVALID', message: error.message, hint: null }
    : faultOf(asRelayError(error));
