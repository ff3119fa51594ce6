/** What the standing audit knows, and a whole verify as a job whose result everybody may see: it holds no value of a row. */
import { Hono } from 'hono';
import { auditReport, forgotAt, openFindings } from '../../../relay/operations/audit.ts';
import { type AuditReport, type AuditStage, verify } from '../../../relay/operations/verify.ts';
import type { Progress } from '../jobs.ts';
import { type Env, mayAct, type Use } from '../use.ts';

/** Of each kind; the others are counted. */
const idsMax = 200;

export function auditApi({ config, jobs, log }: Pick<Use, 'config' | 'jobs' | 'log'>) {
  return new Hono<Env>()
    .get('/', async (context) => {
      const report = await auditReport(config);
      return context.json({
        everyMinutes: config.audit.everyMinutes,
        report:
          report === undefined
            ? null
            : {
                ...report,
                open: openFindings(report.audit),
                forgotAt: forgotAt(report.audit),
                readAt: new Date().toISOString(),
              },
      });
    })
    .get('/verify', (context) => {
      const job = jobs.latest('verify');
      return context.json({ job, report: (job?.result ?? null) as AuditReport | null });
    })
    .post('/verify', (context) => {
      mayAct(context);
      const jobId = jobs.startAlone(
        'verify',
        'Verify: compare table and topics',
        context.get('visitor'),
        ({ signal, onProgress }) =>
          verify({
            config,
            log,
            maxIds: idsMax,
            expectAll: false,
            signal,
            onStage: (stage) => onProgress(progressOf(stage)),
          }),
      );
      return context.json({ jobId });
    });
}

const phases: Readonly<Record<AuditStage['stage'], string>> = {
  table: 'reading the table',
  progress: 'waiting until the progress reaches the snapshot',
  topics: 'reading the topics',
  'dead letters': 'reading the dead letters',
  transactions: 'waiting for transactions that may show what is published already',
};

/** Exported for its test. */
export const progressOf = ({ stage, done, total }: AuditStage): Progress => ({
  done,
  total: total ?? null,
  phase: phases[stage],
});
