/** Schemas: subjects, what changed between two versions, and trying a schema that somebody pastes. Registers nothing. */
import { Hono } from 'hono';
import { z } from 'zod';
import { counted } from '../../../relay/model/counted.ts';
import { checkPasted, tryPasted } from '../../../relay/operations/schemas/pasted.ts';
import {
  comparePair,
  isPossibleSubject,
  pageOfSubjects,
} from '../../../relay/operations/schemas/subjects.ts';
import { type Env, Refused, type Use } from '../use.ts';
import { limit } from './selection.ts';
import { valid } from './valid.ts';

/** Failures that are kept of each type. */
const failuresMax = 20;
/** A page of versions is some requests to the registry, one a subject. */
const subjectsMax = 100;

const subject = z.string().min(1).max(1_000).refine(isPossibleSubject, 'is no subject of the relay');
const version = z.coerce.number().int().min(1).max(2_147_483_647).optional();
const pasted = { subject, text: z.string().min(1).max(1_000_000) };

export function schemasApi({ config, jobs }: Pick<Use, 'config' | 'jobs'>) {
  return new Hono<Env>()
    .get(
      '/',
      valid(
        'query',
        z.strictObject({
          like: z.string().min(1).max(1_000).optional(),
          after: z.string().max(1_000).optional(),
          limit: limit.pipe(z.number().max(subjectsMax)),
        }),
      ),
      async (context) => {
        const { like, after, limit } = context.req.valid('query');
        const selection = {
          ...(like === undefined ? {} : { like }),
          ...(after === undefined ? {} : { after }),
        };
        return context.json(await pageOfSubjects(config, selection, limit));
      },
    )
    .get(
      '/versions',
      valid('query', z.strictObject({ subject, before: version, after: version })),
      async (context) => {
        const { subject, before, after } = context.req.valid('query');
        const pair = {
          ...(before === undefined ? {} : { before }),
          ...(after === undefined ? {} : { after }),
        };
        return context.json(await comparePair(config, subject, pair));
      },
    )
    .post('/check', valid('json', z.strictObject(pasted)), async (context) =>
      context.json(await checkPasted(config, context.req.valid('json'))),
    )
    .post(
      '/jobs/try',
      valid('json', z.strictObject({ ...pasted, limit: z.number().int().min(1).max(100_000) })),
      (context) => {
        const { limit, ...given } = context.req.valid('json');
        // Enums, ranges and the keys of records find out values, row by row.
        if (context.get('visitor').payloads !== 'full')
          throw new Refused(
            403,
            'PAYLOADS_MASKED',
            'payloads are masked for you, and trying rows with a schema of your own finds out what they hold; `outbox-relay schemas test` tries them with files',
          );
        return context.json({
          jobId: jobs.start(
            'try-schema',
            `Try a schema of ${given.subject} with ${counted(limit, 'recent row')}`.slice(0, 300),
            context.get('visitor'),
            ({ signal, onProgress }) =>
              tryPasted({
                config,
                pasted: given,
                limit,
                failuresMax,
                signal,
                onProgress: (done) => onProgress({ done, total: limit, phase: 'trying' }),
              }),
          ),
        });
      },
    );
}
