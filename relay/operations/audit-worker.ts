/** One run of the audit in a thread of its own, so that the stream does not wait for it. Posts what `AuditMessage` says. */
import { parentPort, workerData } from 'node:worker_threads';
import { asRelayError } from '../errors.ts';
import { componentLogs } from '../observe/component-logs.ts';
import { createLogger } from '../observe/log.ts';
import { auditOnce } from './audit.ts';
import type { AuditMessage, AuditWork } from './audit-beside.ts';

const { config } = workerData as AuditWork;
const ending = new AbortController();
parentPort!.once('message', () => ending.abort());

const answer = await auditOnce({
  config,
  log: componentLogs(createLogger(config.log.level), config.log).audit,
  signal: ending.signal,
  closes: false,
}).then(
  (row): AuditMessage => ({ row }),
  (error: unknown): AuditMessage => {
    const { code, message } = asRelayError(error);
    return { failure: { code, message } };
  },
);
parentPort!.postMessage(answer);
parentPort!.close();
