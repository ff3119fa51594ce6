/** What Postgres holds for the relay; `check` and the preview of `cleanup` as jobs, which change nothing. */
import { Hono } from 'hono';
import { check, checksCountOf } from '../../../relay/operations/check/check.ts';
import type { Finding } from '../../../relay/operations/check/finding.ts';
import { type CleanupReport, cleanUp, keepReasons } from '../../../relay/operations/cleanup.ts';
import { databaseFacts, type Part } from '../../../relay/operations/database-facts.ts';
import { type Fault, faultOf } from '../fault.ts';
import { type Env, mayAct, type Use } from '../use.ts';

/** For each check, as the command. */
const checkTimeoutMs = 10_000;

export function databaseApi({ config, jobs }: Pick<Use, 'config' | 'jobs'>) {
  return new Hono<Env>()
    .get('/', async (context) => {
      const { outlook, publication, roles, pieces, ...facts } = await databaseFacts(config);
      return context.json({
        ...facts,
        outlook: partOf(outlook),
        publication: partOf(publication),
        roles: partOf(roles),
        pieces: partOf(pieces),
        cleanup: { retention: config.cleanup.retention ?? null, keepReasons },
      });
    })
    .get('/check', (context) => {
      const job = jobs.latest('check');
      return context.json({ job, findings: (job?.result ?? null) as readonly Finding[] | null });
    })
    .post('/check', (context) => {
      mayAct(context);
      const visitor = context.get('visitor');
      const jobId = jobs.startAlone(
        'check',
        'Check all that a relay needs',
        visitor,
        async ({ signal, onProgress }) => {
          const findings: Finding[] = [];
          for await (const finding of check(config, checkTimeoutMs)) {
            findings.push(finding);
            onProgress({
              done: findings.length,
              total: checksCountOf(config),
              phase: `checking ${finding.server}`,
            });
            signal.throwIfAborted();
          }
          return findings;
        },
      );
      return context.json({ jobId });
    })
    .get('/cleanup', (context) => {
      const job = jobs.latest('preview-cleanup');
      return context.json({ job, report: (job?.result ?? null) as CleanupReport | null });
    })
    .post('/cleanup', (context) => {
      mayAct(context);
      const jobId = jobs.startAlone(
        'preview-cleanup',
        'Preview of cleanup',
        context.get('visitor'),
        async ({ signal, onProgress }) => {
          const report = await cleanUp({
            actor: null,
            config,
            signal,
            onStep: ({ name, done, blocks }) =>
              onProgress({ done, total: blocks, phase: `reading the pages of ${name}` }),
          });
          // What was not looked at would look as if it stayed.
          signal.throwIfAborted();
          return report;
        },
      );
      return context.json({ jobId });
    });
}

type Shown<Value> =
  | { readonly value: Value; readonly failure: null }
  | { readonly value: null; readonly failure: Fault };

const partOf = <Value>(part: Part<Value>): Shown<Value> =>
  'value' in part ? { value: part.value, failure: null } : { value: null, failure: faultOf(part.failure) };
