/** What the facts mean for `/livez` and `/readyz`. */
import type { RecoveryStage } from './facts.ts';
import type { Health } from './health.ts';
import type { Listener } from './observer.ts';

export function healthListener(health: Health): Listener {
  return {
    name: 'health',
    hears: {
      entered: ({ state }) => health.enter(state),
      controlled: ({ control }) => health.controlled(control),
      paced: ({ obstacle }) => health.held(obstacle !== undefined),
      waited: ({ doing }) => health.waitFor(doing),
      stepEnded: () => health.waitFor(undefined),
      peerSeen: ({ hasPublished }) => {
        health.waitFor(undefined);
        health.behindPeer();
        if (hasPublished) health.recovered();
      },
      retried: ({ failure, retryInMs }) => health.failing(failure, retryInMs),
      recovered: () => health.recovered(),
      recoveryBegun: ({ failure, pauseMs }) =>
        health.waitFor(
          `${failure.code}: ${pauseMs < 1_000 ? 'recovering from a lost slot' : 'the slot is lost again; recovering after a pause'}`,
        ),
      recovering: (stage) => health.waitFor(`recovering from a lost slot: ${describeRecoveryStage(stage)}`),
      recoveryEnded: ({ outcome }) => {
        health.waitFor(undefined);
        if (outcome === 'recovered') health.recovered();
      },
      committed: () => health.recovered(),
      throttled: ({ throttleMs }) => health.throttled(throttleMs),
      stopped: ({ failure }) => health.stopped(failure),
    },
  };
}

/** One line, for machines that show it as it is. */
export function describeRecoveryStage({ stage, done, total, leftMs }: RecoveryStage): string {
  const of = total === undefined ? '' : ` of ${total}`;
  const left = leftMs === undefined ? '' : `, about ${Math.ceil(leftMs / 1_000)} s left in this stage`;
  return stage === 'slot' ? 'creating a slot' : `${stage}, ${done}${of}${left}`;
}
