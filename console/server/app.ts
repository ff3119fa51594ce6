/**
 * The console's server as one HTTP application: who may ask, the API, and the pages. It knows operations only; what it
 * answers is their data.
 */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { NONCE, type SecureHeadersVariables, secureHeaders } from 'hono/secure-headers';
import { asRelayError, RequestInvalid } from '../../relay/errors.ts';
import { forgeryOf, isOurHost } from './access/requests.ts';
import { controlApi } from './api/control.ts';
import { deadLettersApi } from './api/dead-letters.ts';
import { jobsApi } from './api/jobs.ts';
import { liveApi } from './api/live.ts';
import { parkedKeysApi } from './api/parked-keys.ts';
import { type Access, meApi, requireVisitor, sessionApi } from './api/session.ts';
import type { Assets } from './assets.ts';
import { faultOf } from './fault.ts';
import { type Env, Refused, type Use } from './use.ts';

/** A payload of Kafka's largest usual record, edited as text, fits several times. */
const bodyBytesMax = 8 * 1024 * 1024;

/** Everything under `/api` that needs a visitor, with the types by which the pages call it. */
function apiOf(use: Use) {
  return new Hono<Env>()
    .route('/me', meApi(use.config))
    .route('/live', liveApi(use))
    .route('/control', controlApi(use))
    .route('/jobs', jobsApi(use))
    .route('/dead-letters', deadLettersApi(use))
    .route('/parked-keys', parkedKeysApi(use));
}

export type Api = ReturnType<typeof apiOf>;
export type SessionApi = ReturnType<typeof sessionApi>;

export function createApp(use: Use, access: Access, assets: Assets): Hono {
  const { config, log } = use;
  const app = new Hono<{ Variables: SecureHeadersVariables }>();
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        // The editor adds its styles as an element.
        styleSrc: ["'self'", NONCE],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
      crossOriginOpenerPolicy: 'same-origin',
      crossOriginResourcePolicy: 'same-origin',
      referrerPolicy: 'no-referrer',
      xFrameOptions: 'DENY',
      // A proxy that ends TLS decides that.
      strictTransportSecurity: false,
      permissionsPolicy: { camera: [], microphone: [], geolocation: [] },
    }),
  );
  app.use(async (context, next) => {
    const host = context.req.header('host') ?? '';
    if (!isOurHost(config.console, host))
      throw new Refused(
        421,
        'HOST_UNKNOWN',
        'this host is not in console.hosts; add the name by which browsers reach the console',
      );
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD') {
      const { req } = context;
      const sender = {
        host,
        origin: req.header('origin'),
        fetchSite: req.header('sec-fetch-site'),
        contentType: req.method === 'DELETE' ? 'application/json' : req.header('content-type'),
      };
      const forgery = forgeryOf(sender, config.console.hosts);
      if (forgery !== undefined) throw new Refused(403, 'FORGED', forgery);
    }
    await next();
  });
  app.use('/api/*', bodyLimit({ maxSize: bodyBytesMax }), compress(), async (context, next) => {
    context.header('cache-control', 'no-store');
    await next();
  });
  app.route('/api/session', sessionApi(access));
  app.use('/api/*', requireVisitor(access));
  app.route('/api', apiOf(use));
  app.all('/api/*', () => {
    throw new Refused(404, 'NOT_FOUND', 'there is nothing of that name');
  });
  app.get('/livez', (context) => context.json({ live: true }));
  app.get('/assets/*', (context) => asset(context, assets));
  app.get('*', (context) => {
    const nonce = context.get('secureHeadersNonce') ?? '';
    context.header('cache-control', 'no-cache');
    return context.html(
      assets.page.replaceAll('%BASE%', config.console.pathPrefix).replaceAll('%NONCE%', nonce),
    );
  });
  app.onError((error, context) => {
    if (error instanceof Refused)
      return context.json({ code: error.code, message: error.message, hint: null }, error.status);
    if (error instanceof RequestInvalid)
      return context.json({ code: 'REQUEST_INVALID', message: error.message, hint: null }, 400);
    const failure = asRelayError(error);
    if (failure.code === 'INTERNAL')
      log.error({ err: failure.cause ?? failure, path: context.req.path }, 'a request failed');
    const status = failure.entry.exit === 'unavailable' ? 503 : failure.entry.exit === 'internal' ? 500 : 409;
    return context.json(faultOf(failure), status);
  });
  return config.console.pathPrefix === '/' ? asPlain(app) : new Hono().route(config.console.pathPrefix, app);
}

const asPlain = (app: unknown): Hono => app as Hono;

function asset(context: Context, { files }: Assets): Response | Promise<Response> {
  const path = context.req.path.slice(context.req.path.lastIndexOf('/assets/') + 1);
  const found = files.get(path);
  if (found === undefined) return context.notFound();
  // The name changes with the content.
  context.header('cache-control', 'public, max-age=31536000, immutable');
  context.header('content-type', found.type);
  context.header('vary', 'accept-encoding');
  const accepted = context.req.header('accept-encoding') ?? '';
  const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : undefined;
  if (encoding !== undefined) context.header('content-encoding', encoding);
  return context.body(encoding === 'br' ? found.brotli : encoding === 'gzip' ? found.gzip : found.plain);
}
