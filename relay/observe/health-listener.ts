/** What the facts mean for `/livez` and `/readyz`. */
import type { Health } from './health.ts';
import type { Listener } from './observer.ts';

export function healthListener(health: Health): Listener {
  return {
    name: 'health',
    hears: {
      entered: ({ state }) => health.enter(state),
      waited: ({ doing }) => health.waitFor(doing),
      stepEnded: () => health.waitFor(undefined),
      peerSeen: ({ hasPublished }) => {
        health.waitFor(undefined);
        health.behindPeer();
        if (hasPublished) health.recovered();
      },
      retried: ({ failure, retryInMs }) => health.failing(failure, retryInMs),
      recovered: () => health.recovered(),
      committed: () => health.recovered(),
      throttled: ({ throttleMs }) => health.throttled(throttleMs),
      stopped: ({ failure }) => health.stopped(failure),
    },
  };
}
