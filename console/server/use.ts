/** What every part of the console's server uses. */
import type { Context } from 'hono';
import type { Logger } from 'pino';
import type { Config, Provenance } from '../../relay/config/config.ts';
import type { Actor } from '../../relay/operations/actor.ts';
import type { Visitor } from './access/visitor.ts';
import type { Jobs } from './jobs.ts';
import type { Sampler } from './live/sampler.ts';
import type { StatusWatch } from './live/status-watch.ts';

export type Use = {
  readonly config: Config;
  readonly provenance: Provenance;
  readonly log: Logger;
  readonly status: StatusWatch;
  readonly sampler: Sampler;
  readonly jobs: Jobs;
};

/** What is known of each request by the time a route has it. */
export type Env = { Variables: { visitor: Visitor } };

/** Thrown by a route: an answer that is no fault of a server. */
export class Refused extends Error {
  readonly status: 401 | 403 | 404 | 405 | 409 | 413 | 421 | 429;
  readonly code: string;

  constructor(status: Refused['status'], code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const mayNotAct = (person: string): Refused =>
  new Refused(
    403,
    'NOT_ALLOWED',
    `${person} may look, and not act: it needs the operators' token, or a place in console.operators`,
  );

/** For the limits of bodies. */
export const tooLarge = (): never => {
  throw new Refused(413, 'TOO_LARGE', 'the request is too large');
};

/** For what changes nothing, yet costs the servers something. @throws Refused for a visitor who may only look */
export function mayAct(context: Context<Env>): void {
  const { person, role } = context.get('visitor');
  if (role !== 'operate') throw mayNotAct(person);
}

/** The person who acts, for the audit trail. @throws Refused for a visitor who may only look */
export function actorOf(context: Context<Env>, reason: string): Actor {
  mayAct(context);
  return { person: context.get('visitor').person, reason };
}
