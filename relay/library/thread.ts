/** The thread of an embedded relay. What it says is in `messages.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { ignoreNegativeTimeouts } from '../connect/kafkajs-warnings.ts';
import { asRelayError } from '../errors.ts';
import { componentLogs } from '../observe/component-logs.ts';
import { createLogger, serializeError } from '../observe/log.ts';
import type { Listener } from '../observe/observer.ts';
import { runRelay } from '../operations/run.ts';
import { plain, type ThreadMessage, type ThreadWork } from './messages.ts';

const { config, servesHttp } = workerData as ThreadWork;
const say = (message: ThreadMessage) => parentPort!.postMessage(message);

ignoreNegativeTimeouts();
const ending = new AbortController();
parentPort!.once('message', () => ending.abort());

let isDrained = true;
const listener: Listener = {
  name: 'library',
  hears: {
    entered: ({ state, before }) => say({ kind: 'entered', state, before }),
    retried: ({ failure, retryInMs }) =>
      say({ kind: 'retried', failure: plain(failure, serializeError), retryInMs }),
    drainFailed: () => {
      isDrained = false;
    },
  },
};

const log = createLogger(config.log.level, {
  tty: false,
  destination: { write: (line) => say({ kind: 'logged', line }) },
});
const logs = componentLogs(log, config.log);
try {
  const loaded = { config, file: undefined, load: () => config };
  await runRelay(loaded, logs, ending.signal, { servesHttp, listeners: [listener] });
  say({ kind: 'ended', isDrained });
} catch (error) {
  say({ kind: 'failed', failure: plain(asRelayError(error), serializeError) });
}
// Ends this thread only: a server that hangs can keep a socket open.
process.exit();
