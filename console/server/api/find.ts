/** Finding an event. The answer comes in lines: what is being read, then what was found, or why nothing can be said. */
import { Hono } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import { asRelayError, RequestInvalid } from '../../../relay/errors.ts';
import { cursorText, parseCursor } from '../../../relay/operations/find-event/cursor.ts';
import { findEvents } from '../../../relay/operations/find-event/find-event.ts';
import type { FindStep, Found, FoundRow, Wanted } from '../../../relay/operations/find-event/found.ts';
import { describeUnread } from '../../../relay/operations/find-event/notes.ts';
import { recentTransactionsOf } from '../../../relay/operations/recent-transactions.ts';
import type { PayloadView } from '../access/visitor.ts';
import { type Fault, faultOf } from '../fault.ts';
import { kept } from '../kept.ts';
import { shown } from '../payloads.ts';
import { type Env, Refused, type Use } from '../use.ts';
import { text } from './text.ts';
import { valid } from './valid.ts';

/** As the visitor may see it. */
export type ShownFound = Omit<Found, 'next'> & {
  /** Where the next page begins, as `after`. */
  readonly next: string | null;
  /** What was not read at all, in a sentence; null where nothing was left out. */
  readonly unreadText: string | null;
  readonly payloadView: PayloadView;
};

export type FindLine =
  | { readonly step: FindStep }
  | { readonly found: ShownFound }
  | { readonly fault: Fault };

const time = z.iso.datetime({ offset: true }).optional();
const query = z.object({
  by: z.enum(['id', 'position', 'key', 'type']),
  value: text(10_000).min(1, 'what to look for'),
  since: time,
  until: time,
  limit: z.coerce.number().int().min(1).max(200).default(20),
  records: z.coerce.number().int().min(1).max(2_000_000).default(100_000),
  after: z
    .string()
    .max(2_000)
    .transform((text, problem) => {
      const cursor = parseCursor(text);
      if (cursor !== undefined) return cursor;
      problem.addIssue({ code: 'custom', message: 'is not a place that an earlier page named' });
      return z.NEVER;
    })
    .optional(),
  topic: text(249).min(1).optional(),
});

/** Each may read the whole outbox table, and 256 MiB of Kafka. */
const searchesMax = 4;

/** A step more often than this is not read. */
const stepEveryMs = 200;
/** Of the pages that ask, one reads. */
const transactionsKeptMs = 4_000;

export function findApi({ config, log }: Pick<Use, 'config' | 'log'>) {
  const transactions = kept(transactionsKeptMs, recentTransactionsOf(config));
  let searches = 0;
  return new Hono<Env>()
    .get('/', valid('query', query), (context) => {
      const { by, value, since, until, limit, records, after = null, topic } = context.req.valid('query');
      const { payloads } = context.get('visitor');
      if (searches >= searchesMax)
        throw new Refused(429, 'TOO_MANY_SEARCHES', `${searches} searches are running; wait for one of them`);
      const wanted: Wanted = {
        by: wantedBy(by, value),
        since: since === undefined ? null : new Date(since),
        until: until === undefined ? null : new Date(until),
        topics: topic === undefined ? null : [topic],
      };
      const hasContents = payloads !== 'off';
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
        const { signal } = ending;
        searches += 1;
        // Over before the page has read the answer: one that never does holds up nobody else.
        const last = await findEvents({
          ...{ config, log, wanted, limit, after, hasContents, signal, onStep },
          recordsMax: records,
        })
          .then(
            (found): FindLine => ({ found: foundShown(payloads, found) }),
            (error: unknown): FindLine => ({ fault: asFault(error) }),
          )
          .finally(() => {
            searches -= 1;
          });
        if (!signal.aborted) await write(last);
      });
    })
    .get('/transactions', async (context) => context.json(await transactions()));
}

/** Exported for its test. */
export const foundShown = (view: PayloadView, { next, ...found }: Found): ShownFound => ({
  ...found,
  next: next === null ? null : cursorText(next),
  unreadText: found.unread.length === 0 ? null : describeUnread(found.unread),
  payloadView: view,
  events: found.events.map((event) => ({ ...event, rows: event.rows.map((row) => rowShown(view, row)) })),
});

const rowShown = (view: PayloadView, row: FoundRow): FoundRow => ({
  ...row,
  contents:
    row.contents === null || view === 'off'
      ? null
      : {
          ...row.contents,
          payload: shown(view, row.contents.payload),
          headers: shown(view, row.contents.headers),
        },
});

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
