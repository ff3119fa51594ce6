/**
 * The console's server as one HTTP application: who may ask, the API, and the pages. It knows operations only; what it
 * answers is their data.
 */
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { HTTPException } from 'hono/http-exception';
import { routePath } from 'hono/route';
import { NONCE, type SecureHeadersVariables, secureHeaders } from 'hono/secure-headers';
import { asRelayError, RequestInvalid } from '../../relay/errors.ts';
import { forgeryOf, isForeignRead, isOurHost, withoutPrefix } from './access/requests.ts';
import { assertRightsStated } from './access/rights.ts';
import { auditApi } from './api/audit.ts';
import { controlApi } from './api/control.ts';
import { databaseApi } from './api/database.ts';
import { deadLettersApi } from './api/dead-letters.ts';
import { findApi } from './api/find.ts';
import { jobsApi } from './api/jobs.ts';
import { liveApi } from './api/live.ts';
import { parkedKeysApi } from './api/parked-keys.ts';
import { schemasApi } from './api/schemas.ts';
import { type Access, meApi, requireVisitor, sessionApi } from './api/session.ts';
import { settingsApi } from './api/settings.ts';
import { topicsApi } from './api/topics.ts';
import type { Assets } from './assets.ts';
import { faultOf } from './fault.ts';
import { type Env, Refused, tooLarge, type Use } from './use.ts';

/** A payload of Kafka's largest usual record, edited as text, fits several times. */
const bodyBytesMax = 8 * 1024 * 1024;

/** Everything under `/api` that needs a visitor, with the types by which the pages call it. */
function apiOf(use: Use) {
  return new Hono<Env>()
    .route('/me', meApi(use.config))
    .route('/live', liveApi(use))
    .route('/control', controlApi(use))
    .route('/audit', auditApi(use))
    .route('/database', databaseApi(use))
    .route('/settings', settingsApi(use))
    .route('/jobs', jobsApi(use))
    .route('/dead-letters', deadLettersApi(use))
    .route('/parked-keys', parkedKeysApi(use))
    .route('/find', findApi(use))
    .route('/topics', topicsApi(use))
    .route('/schemas', schemasApi(use));
}

export type Api = ReturnType<typeof apiOf>;
export type SessionApi = ReturnType<typeof sessionApi>;

export function createApp(use: Use, access: Access, assets: Assets) {
  const { config, log } = use;
  const { pathPrefix } = config.console;
  const app = new Hono<{ Variables: SecureHeadersVariables }>({
    getPath: (request) => withoutPrefix(pathOf(request), pathPrefix),
  });
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        // The editor adds its styles as an element.
        styleSrc: ["'self'", NONCE],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'self'"],
        // The pages send with scripts; a form that was smuggled in sends nothing.
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        // Text never becomes markup: the browser refuses innerHTML and what is like it.
        requireTrustedTypesFor: ["'script'"],
        trustedTypes: ["'none'"],
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
    const { req } = context;
    const fetchSite = req.header('sec-fetch-site');
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      const sender = {
        host,
        origin: req.header('origin'),
        fetchSite,
        contentType: req.method === 'DELETE' ? 'application/json' : req.header('content-type'),
      };
      const forgery = forgeryOf(sender, config.console.hosts);
      if (forgery !== undefined) throw new Refused(403, 'FORGED', forgery);
    } else if (req.path.startsWith('/api/') && isForeignRead(fetchSite))
      throw new Refused(403, 'FORGED', 'the request comes from another site');
    await next();
  });
  app.use('/api/*', compress(), async (context, next) => {
    // Hono answers HEAD as GET and drops the body: a stream would then never end.
    if (context.req.method === 'HEAD') throw new Refused(405, 'NOT_ALLOWED', 'HEAD is for pages only');
    context.header('cache-control', 'no-store');
    await next();
  });
  app.route('/api/session', sessionApi(access));
  app.use('/api/*', requireVisitor(access), bodyLimit({ maxSize: bodyBytesMax, onError: tooLarge }));
  app.route('/api', apiOf(use));
  app.all('/api/*', () => {
    throw new Refused(404, 'NOT_FOUND', notFound);
  });
  app.get('/livez', (context) => context.json({ live: true }));
  app.get('/assets/*', (context) => asset(context, assets));
  app.get('*', (context) => {
    const nonce = context.get('secureHeadersNonce') ?? '';
    context.header('cache-control', 'no-cache');
    return context.html(assets.page.replaceAll('%BASE%', pathPrefix).replaceAll('%NONCE%', nonce));
  });
  app.notFound((context) => context.json({ code: 'NOT_FOUND', message: notFound, hint: null }, 404));
  app.onError((error, context) => {
    if (error instanceof Refused)
      return context.json({ code: error.code, message: error.message, hint: null }, error.status);
    if (error instanceof RequestInvalid)
      return context.json({ code: 'REQUEST_INVALID', message: error.message, hint: null }, 400);
    // A body that is no JSON, for example. Its message can quote the body, so neither the log nor the answer has it.
    if (error instanceof HTTPException)
      return context.json(
        { code: 'REQUEST_INVALID', message: 'the request cannot be read', hint: null },
        error.status,
      );
    const failure = asRelayError(error);
    if (failure.code === 'INTERNAL')
      // The route and not the path, which can name a key.
      log.error({ err: failure.cause ?? failure, route: routePath(context) }, 'a request failed');
    const status = failure.entry.exit === 'unavailable' ? 503 : failure.entry.exit === 'internal' ? 500 : 409;
    return context.json(faultOf(failure), status);
  });
  assertRightsStated(app.routes);
  return app;
}

const notFound = 'there is nothing of that name';

/** Without query and fragment, as it came. */
const pathOf = ({ url }: Request): string => {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  return start < 0 ? '/' : url.slice(start).split(/[?#]/, 1)[0]!;
};

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
