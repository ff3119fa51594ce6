/**
 * What the server sends by itself: the status and the figures. One connection for all that is on the page, open only while
 * somebody can see it.
 */
import { useSyncExternalStore } from 'react';
import type { Sampled } from '../../server/live/sampler.ts';
import type { Seen } from '../../server/live/status-watch.ts';

export type Live = {
  /** `lost`: what is shown is as old as `heardMs`. */
  readonly connection: 'opening' | 'open' | 'lost';
  /** When the server last said something; null before the first. */
  readonly heardMs: number | null;
  readonly seen: Seen;
  readonly sampled: Sampled | null;
};

let live: Live = {
  connection: 'opening',
  heardMs: null,
  seen: { status: null, failure: null },
  sampled: null,
};
const listeners = new Set<() => void>();
let source: EventSource | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;

function change(part: Partial<Live>): void {
  live = { ...live, ...part };
  for (const listener of listeners) listener();
}

/** The browser opens a broken connection again by itself, but not one that was refused. */
const retryMs = 3_000;

function open(): void {
  close();
  source = new EventSource(new URL('api/live', document.baseURI));
  const hear = (event: string, take: (data: string) => Partial<Live>) =>
    source?.addEventListener(event, ({ data }: MessageEvent<string>) =>
      change({ connection: 'open', heardMs: Date.now(), ...take(data) }),
    );
  hear('status', (data) => ({ seen: JSON.parse(data) as Seen }));
  hear('figures', (data) => ({ sampled: JSON.parse(data) as Sampled }));
  hear('alive', () => ({}));
  source.addEventListener('error', () => {
    change({ connection: 'lost' });
    if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, retryMs);
  });
}

function close(): void {
  clearTimeout(retry);
  source?.close();
  source = undefined;
}

const onVisibility = () => (document.hidden ? close() : open());

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) {
    if (!document.hidden) open();
    document.addEventListener('visibilitychange', onVisibility);
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    document.removeEventListener('visibilitychange', onVisibility);
    close();
  };
}

export const useLive = (): Live => useSyncExternalStore(subscribe, () => live);
