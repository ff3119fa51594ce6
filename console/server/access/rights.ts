/**
 * What each route of the API asks of a visitor, all of them in one table. Pure. Promise: nobody does anything by a route
 * whose right nobody has stated.
 */
import type { Role } from './visitor.ts';

/** `view`: every visitor. `operate`: who may act. What a route shows of payloads is decided where it answers. */
export const rights: Readonly<Record<string, Role>> = {
  'GET /me': 'view',
  'GET /live': 'view',
  'GET /live/history': 'view',

  'POST /control/pause': 'operate',
  'POST /control/resume': 'operate',
  'POST /control/rate-limit': 'operate',
  'GET /settings': 'view',
  'GET /settings/actions': 'view',

  'GET /jobs': 'view',
  'GET /jobs/:id': 'view',
  'GET /jobs/:id/state': 'view',
  // Their own: nobody finds another's.
  'POST /jobs/:id/cancel': 'view',

  // These change nothing, but each reads whole tables or topics.
  'GET /audit': 'view',
  'GET /audit/verify': 'view',
  'POST /audit/verify': 'operate',
  'GET /database': 'view',
  'GET /database/check': 'view',
  'POST /database/check': 'operate',
  'GET /database/cleanup': 'view',
  'POST /database/cleanup': 'operate',

  'GET /dead-letters': 'view',
  'GET /dead-letters/groups': 'view',
  'GET /dead-letters/outlook': 'view',
  'GET /dead-letters/:position': 'view',
  // Encodes events as they are, or a payload that the visitor sends; changes nothing.
  'POST /dead-letters/jobs/try': 'view',
  'POST /dead-letters/:position/try': 'view',
  // By what it makes of payloads, a patch finds out what they hold.
  'POST /dead-letters/preview': 'operate',
  'POST /dead-letters/jobs/patch': 'operate',
  'POST /dead-letters/jobs/resubmit': 'operate',
  'POST /dead-letters/jobs/discard': 'operate',
  'POST /dead-letters/jobs/undo': 'operate',
  'POST /dead-letters/:position/fix': 'operate',
  'POST /dead-letters/:position/undo': 'operate',
  'GET /parked-keys': 'view',
  'GET /parked-keys/events': 'view',
  'POST /parked-keys/jobs/release': 'operate',

  'GET /find': 'view',
  'GET /find/transactions': 'view',
  'GET /topics': 'view',
  'GET /topics/lag': 'view',
  'GET /schemas': 'view',
  'GET /schemas/versions': 'view',
  'POST /schemas/check': 'view',
  'POST /schemas/jobs/try': 'view',
};

type Route = { readonly method: string; readonly path: string };

const base = '/api';

/** As in the table; undefined for a route that is none of the API, or none of one method. */
function nameOf({ method, path }: Route): string | undefined {
  if (method === 'ALL' || !path.startsWith(`${base}/`)) return undefined;
  return `${method} ${path.slice(base.length).replace(/\/$/, '')}`;
}

/** The routes of an application, as in the table; the sign-in is not among them. */
export function routeNames(routes: readonly Route[]): readonly string[] {
  const names = routes.flatMap((route) => nameOf(route) ?? []).filter((name) => !name.endsWith(' /session'));
  return [...new Set(names)];
}

/**
 * @param matched every route that the path of a request leads to: two can, such as `/:position/try` and `/jobs/try`
 * @returns the most that one of them asks; undefined where no route answers
 */
export function rightOf(matched: readonly Route[]): Role | undefined {
  const asked = routeNames(matched).map((name): Role => rights[name] ?? 'operate');
  return asked.includes('operate') ? 'operate' : asked[0];
}

/** @throws Error which is a mistake in the code: a route without a right, or a right without a route */
export function assertRightsStated(routes: readonly Route[]): void {
  const names = routeNames(routes);
  const unstated = names.filter((name) => !Object.hasOwn(rights, name));
  const routeless = Object.keys(rights).filter((name) => !names.includes(name));
  if (unstated.length + routeless.length > 0)
    throw new Error(
      `rights.ts: ${[...unstated, ...routeless].join(', ')}: a route needs one right, and a right one route`,
    );
}
