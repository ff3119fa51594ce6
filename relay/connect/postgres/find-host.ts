/**
 * Owns which of several hosts a connection leads to. They are tried in turn, as libpq does, with two differences that a
 * failover needs: the host that was right last time comes first, and a host that stays silent holds up the next one for a
 * moment only (as RFC 8305 has it), since a machine that is gone does not refuse.
 */
import { asRelayError, RelayError } from '../../errors.ts';
import { type Address, type Host, hostName } from './address.ts';

/** Longer than a connection takes, password and TLS included, on a good network; shorter than anybody waits. */
const headStartMs = 500;

/** Connects, and fails if the host is not the right one. When the signal is aborted, its answer is of no use any more. */
export type Ask = (host: Host, signal: AbortSignal) => Promise<void>;

/** Its name, by what the list is for and the list that it is one of. */
const lastRight = new Map<string, string>();

/** @throws RelayError that says what each host said */
export async function findHost(
  { hosts, wanted }: Pick<Address, 'hosts' | 'wanted'>,
  ask: Ask,
  startNextAfterMs = headStartMs,
): Promise<Host> {
  const list = `${wanted} ${hosts.map(hostName).join()}`;
  const isLast = (host: Host) => hostName(host) === lastRight.get(list);
  const order = [...hosts.filter(isLast), ...hosts.filter((host) => !isLast(host))];
  const failures = new Map<Host, RelayError>();
  const right = await firstRight(order, ask, startNextAfterMs, failures);
  if (right === undefined) throw noneRight(hosts.map((host) => [host, failures.get(host)!]));
  lastRight.set(list, hostName(right));
  return right;
}

/** @returns undefined if none is; `failures` says why */
function firstRight(
  hosts: readonly Host[],
  ask: Ask,
  startNextAfterMs: number,
  failures: Map<Host, RelayError>,
): Promise<Host | undefined> {
  const found = new AbortController();
  const waiting = [...hosts];
  return new Promise((resolve) => {
    const tryNext = () => {
      const host = waiting.shift();
      if (host === undefined || found.signal.aborted) return;
      const late = setTimeout(tryNext, startNextAfterMs);
      ask(host, found.signal).then(
        () => {
          clearTimeout(late);
          found.abort();
          resolve(host);
        },
        (error: unknown) => {
          clearTimeout(late);
          failures.set(host, asRelayError(error));
          if (failures.size === hosts.length) resolve(undefined);
          else tryNext();
        },
      );
    };
    tryNext();
  });
}

/**
 * A host that is away may be the primary, so a later attempt can succeed. If every host answers, and one of them refuses
 * in a way that does not pass, nothing but that refusal keeps the relay from the primary.
 */
function noneRight(said: readonly (readonly [Host, RelayError])[]): RelayError {
  const failures = said.map(([, failure]) => failure);
  const isAway = failures.some((failure) => failure.class === 'retry' && !isStandby(failure));
  const refusal = isAway ? undefined : failures.find((failure) => failure.class !== 'retry');
  const each = said.map(([host, { message }]) => `${hostName(host)}: ${message}`).join('; ');
  return new RelayError(
    refusal?.code ?? (failures.every(isStandby) ? 'POSTGRES_READ_ONLY' : 'POSTGRES_UNAVAILABLE'),
    `none of the ${said.length} hosts of database.url is a primary that the relay can use: ${each}`,
    { cause: refusal?.cause, context: refusal?.context ?? {} },
  );
}

export function standbyError(): RelayError {
  return new RelayError('POSTGRES_READ_ONLY', 'the server is a standby', { context: { isStandby: true } });
}

function isStandby({ context }: RelayError): boolean {
  return context.isStandby === true;
}
