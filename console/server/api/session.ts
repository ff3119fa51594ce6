/** Signing in and out with a token, and who one is. */
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Config } from '../../../relay/config/config.ts';
import { version } from '../../../relay/config/version.ts';
import { rightOf } from '../access/rights.ts';
import { Attempts, Sessions, sessionSeconds } from '../access/sessions.ts';
import { Streams } from '../access/streams.ts';
import { Turns } from '../access/turns.ts';
import {
  clientOf,
  personOf,
  personOfProxy,
  roleOfProxy,
  roleOfToken,
  type Tokens,
  visitorOf,
} from '../access/visitor.ts';
import { type Env, mayNotAct, Refused, tooLarge } from '../use.ts';
import { valid } from './valid.ts';

export type Access = {
  readonly config: Config;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly attempts: Attempts;
  readonly streams: Streams;
  readonly turns: Turns;
  readonly log: Logger;
};

export function createAccess(config: Config, tokens: Tokens, log: Logger): Access {
  return {
    config,
    tokens,
    log,
    sessions: new Sessions(),
    attempts: new Attempts(),
    streams: new Streams(),
    turns: new Turns(),
  };
}

const cookieName = 'outbox_console';

/** Cookies do not know ports: consoles of one machine must not sign each other out. */
const cookieOf = ({ console, slot }: Config) => `${cookieName}_${slot.name}_${console.port}`;

/** What Node knows of a request; the headers alone could be anybody's. */
const nodeOf = (context: Context): HttpBindings => context.env as HttpBindings;
const peerOf = (context: Context): string => nodeOf(context).incoming.socket.remoteAddress ?? '';

/** Every route below it has a visitor, who has the right that it asks. */
export function requireVisitor(access: Access) {
  const { config, streams, turns } = access;
  return createMiddleware<Env>(async (context, next) => {
    const { visitor, owner, leftMs } = whoVisits(access, context);
    if (rightOf(matchedRoutes(context)) === 'operate' && visitor.role !== 'operate')
      throw mayNotAct(visitor.person);
    const asksForStream = (context.req.header('accept') ?? '').includes('text/event-stream');
    if (asksForStream && !streams.mayOpen(owner))
      throw new Refused(429, 'TOO_MANY_STREAMS', 'too many pages are open; close some');
    context.set('visitor', visitor);
    const end = await turns.take(owner, visitor.role);
    try {
      await next();
    } finally {
      end();
    }
    if (context.res.headers.get('content-type')?.startsWith('text/event-stream'))
      streams.opened(owner, leftMs, nodeOf(context).outgoing);
  });

  function whoVisits({ sessions }: Access, context: Context) {
    const headers = nodeOf(context).incoming.headersDistinct;
    const person = personOfProxy(config.console, peerOf(context), (name) => headers[name] ?? []);
    if (person !== undefined) {
      const role = roleOfProxy(config.console.operators, person);
      const visitor = visitorOf(person, role, 'proxy', config.console);
      return { visitor, owner: `person ${person}`, leftMs: Number.POSITIVE_INFINITY };
    }
    const id = getCookie(context, cookieOf(config));
    const session = sessions.find(id);
    if (session === undefined) throw new Refused(401, 'NOT_SIGNED_IN', 'sign in first');
    return { ...session, owner: sessionOwner(id!) };
  }
}

const sessionOwner = (id: string) => `session ${id}`;

/** A token and a name. */
const signInBytesMax = 16 * 1024;

/** Its answers are the only ones that need no visitor. */
export function sessionApi({ config, tokens, sessions, attempts, streams, log }: Access) {
  const path = config.console.pathPrefix;
  const signOut = (context: Context) => {
    const id = getCookie(context, cookieOf(config));
    if (id === undefined) return;
    sessions.end(id);
    streams.endOf(sessionOwner(id));
  };
  return new Hono()
    .post(
      '/',
      bodyLimit({ maxSize: signInBytesMax, onError: tooLarge }),
      valid('json', z.object({ token: z.string().max(1_000), person })),
      (context) => {
        const forwardedFor = context.req.header('x-forwarded-for');
        const client = clientOf(config.console.trustedProxies, peerOf(context), forwardedFor);
        if (!attempts.mayTry(client))
          throw new Refused(
            429,
            'TOO_MANY_ATTEMPTS',
            'too many wrong tokens from your address; wait a minute',
          );
        const { token, person } = context.req.valid('json');
        const role = roleOfToken(tokens, token);
        if (role === undefined) {
          attempts.failed(client);
          log.warn({ client }, 'somebody tried to sign in with a wrong token');
          throw new Refused(401, 'TOKEN_WRONG', 'that is not a token of this console');
        }
        signOut(context);
        const id = sessions.begin(visitorOf(person, role, 'token', config.console));
        log.info({ person, role, client }, 'signed in');
        // Behind a proxy that ends TLS, the browser and the proxy say so.
        const isSecure =
          context.req.header('origin')?.startsWith('https:') === true ||
          context.req.header('x-forwarded-proto') === 'https';
        // Strict: a request that another site starts never carries it.
        setCookie(context, cookieOf(config), id, {
          path,
          httpOnly: true,
          sameSite: 'Strict',
          secure: isSecure,
          maxAge: sessionSeconds,
        });
        return context.json({ role });
      },
    )
    .delete('/', (context) => {
      signOut(context);
      deleteCookie(context, cookieOf(config), { path });
      return context.json({ done: true });
    });
}

/** As `personOf`, for what a page sends. */
const person = z.string().transform((given, problem) => {
  const known = personOf(given);
  if (known !== undefined) return known;
  problem.addIssue({ code: 'custom', message: 'must be a name of at most 200 printable characters' });
  return z.NEVER;
});

export function meApi(config: Config) {
  return new Hono<Env>().get('/', (context) =>
    context.json({
      ...context.get('visitor'),
      slotName: config.slot.name,
      version,
      grafanaUrl: config.console.grafanaUrl ?? null,
    }),
  );
}
