/** Every screen, in the order of the navigation. A new one is a line here and a file beside it. */
import type { ComponentType } from 'react';

export type ScreenEntry = {
  readonly path: string;
  readonly title: string;
  /** After `g`. */
  readonly key: string;
  readonly load: () => Promise<{ default: ComponentType }>;
};

export const screens: readonly ScreenEntry[] = [
  { path: '/', title: 'Now', key: 'n', load: () => import('./now/now.tsx') },
  { path: '/find', title: 'Find an event', key: 'f', load: () => import('./find/find.tsx') },
  {
    path: '/dead-letters',
    title: 'Dead letters',
    key: 'd',
    load: () => import('./dead-letters/dead-letters.tsx'),
  },
  {
    path: '/parked-keys',
    title: 'Parked keys',
    key: 'p',
    load: () => import('./parked-keys/parked-keys.tsx'),
  },
  { path: '/topics', title: 'Topics and keys', key: 't', load: () => import('./topics/topics.tsx') },
  { path: '/schemas', title: 'Schemas', key: 'm', load: () => import('./schemas/schemas.tsx') },
  { path: '/audit', title: 'Audit', key: 'a', load: () => import('./audit/audit.tsx') },
  { path: '/database', title: 'Database', key: 'b', load: () => import('./database/database.tsx') },
  { path: '/settings', title: 'Settings', key: 's', load: () => import('./settings/settings.tsx') },
];
