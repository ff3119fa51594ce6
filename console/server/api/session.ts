/** Signing in and out with a token, and who one is. */
import { getConnInfo } from '@hono/node-server/conninfo';

import { type Context, Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { createMiddleware } from 'hono/factory';
import { z } from 'zod';
import type { Config } from '../../../relay/config/config.ts';
import { version } from '../../../relay/config/version.ts';
import { Attempts, Sessions, sessionSeconds } from '../access/sessions.ts';
import {
  personMax,
  personOfProxy,
  roleOfProxy,
  roleOfToken,
  type Tokens,
  visitorOf,
} from '../access/visitor.ts';
import { type Env, Refused } from '../use.ts';
import { valid } from './valid.ts';

export type Access = {
  readonly config: Config;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly attempts: Attempts;
};

export function createAccess(config: Config, tokens: Tokens): Access {
  return { config, tokens, sessions: new Sessions(), attempts: new Attempts() };
}

const cookieName = 'outbox_console';

/** Cookies do not know ports: consoles of one machine must not sign each other out. */
const cookieOf = ({ console, slot }: Config) => `${cookieName}_${slot.name}_${console.port}`;

export const peerOf = (context: Context): string => getConnInfo(context).remote.address ?? '';

/** Every route below it has a visitor. */
export function requireVisitor({ config, sessions }: Access) {
  return createMiddleware<Env>(async (context, next) => {
    const person = personOfProxy(config.console, peerOf(context), (name) => context.req.header(name));
    const visitor =
      person === undefined
        ? sessions.find(getCookie(context, cookieOf(config)))
        : visitorOf(person, roleOfProxy(config.console.operators, person), 'proxy', config.console);
    if (visitor === undefined) throw new Refused(401, 'NOT_SIGNED_IN', 'sign in first');
    context.set('visitor', visitor);
    await next();
  });
}

/** Its answers are the only ones that need no visitor. */
export function sessionApi({ config, tokens, sessions, attempts }: Access) {
  const path = config.console.pathPrefix;
  return new Hono()
    .post(
      '/',
      valid(
        'json',
        z.object({ token: z.string().max(1_000), person: z.string().trim().min(1).max(personMax) }),
      ),
      (context) => {
        const peer = peerOf(context);
        if (!attempts.mayTry(peer))
          throw new Refused(
            429,
            'TOO_MANY_ATTEMPTS',
            'too many wrong tokens from your address; wait a minute',
          );
        const { token, person } = context.req.valid('json');
        const role = roleOfToken(tokens, token);
        if (role === undefined) {
          attempts.failed(peer);
          throw new Refused(401, 'TOKEN_WRONG', 'that is not a token of this console');
        }
        const id = sessions.begin(visitorOf(person, role, 'token', config.console));
        // Strict: a request that another site starts never carries it.
        const isSecure = context.req.header('x-forwarded-proto') === 'https';
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
      sessions.end(getCookie(context, cookieOf(config)));
      deleteCookie(context, cookieOf(config), { path });
      return context.json({ done: true });
    });
}

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
