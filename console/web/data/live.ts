/**
 * What the server sends by itself: the status and the figures. One connection for all that is on the page, open only while
 * somebody can see it.
 */
import { useSyncExternalStore } from 'react';
import type { Sampled } from '../../server/live/sampler.ts';
import type { Seen } from '../../server/live/status-watch.ts';
import type { Heard } from './freshness.ts';

export type Live = Omit<Heard, 'failure'> & {
  readonly seen: Seen;
  readonly sampled: Sampled | null;
};

let live: Live = {
  connection: 'opening',
  openedMs: Date.now(),
  statusMs: null,
  seen: { status: null, ageMs: null, failure: null },
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
/** The server sends figures every 5 s. A connection that was cut on the way says nothing of it, for many minutes. */
const silentMs = 15_000;
let silence: ReturnType<typeof setTimeout> | undefined;

function watch(): void {
  clearTimeout(silence);
  silence = setTimeout(() => {
    change({ connection: 'lost' });
    open();
  }, silentMs);
}

function open(): void {
  close();
  // One that was lost stays so until the server answers.
  if (live.connection !== 'lost') change({ connection: 'opening', openedMs: Date.now() });
  source = new EventSource(new URL('api/live', document.baseURI));
  watch();
  const hear = (event: string, take: (data: string) => Partial<Live>) =>
    source?.addEventListener(event, ({ data }: MessageEvent<string>) => {
      watch();
      change({ connection: 'open', ...take(data) });
    });
  hear('status', (data) => {
    const seen = JSON.parse(data) as Seen;
    // By its age, so that the clocks of server and browser may differ.
    return { seen, statusMs: seen.ageMs === null ? null : Date.now() - seen.ageMs };
  });
  hear('figures', (data) => ({ sampled: JSON.parse(data) as Sampled }));
  hear('alive', () => ({}));
  source.addEventListener('error', () => {
    change({ connection: 'lost' });
    if (source?.readyState === EventSource.CLOSED) retry = setTimeout(open, retryMs);
  });
}

function close(): void {
  clearTimeout(retry);
  clearTimeout(silence);
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
