/**
 * How fast Postgres writes WAL, from samples of its position, and how long that can go on. Pure. Promise: what nobody can
 * know is undefined, never 0. Rates are in bytes per second, of the whole server: a slot retains the WAL of every table.
 */
import type { Lsn } from './position.ts';

/** The end of the WAL at some time. */
export type WalSample = { readonly ageMs: number; readonly lsn: Lsn };

export type WalRates = {
  readonly last5Min: number | undefined;
  readonly lastHour: number | undefined;
  /** Of the last day, as far as there are samples. */
  readonly busiestHour: number | undefined;
};

/** How far back a rate looks, and the least time that it takes. Samples are a minute apart, give or take. */
const toleranceMs = 30_000;
const fiveMin = { spanMs: 300_000, leastMs: 60_000 };
const anHour = { spanMs: 3_600_000, leastMs: 600_000 };
const busyHour = { spanMs: 3_600_000, leastMs: 1_800_000 };

type Window = typeof anHour;

/** @param samples with one of now among them, in any order */
export function walRates(samples: readonly WalSample[]): WalRates {
  const sorted = samples.toSorted((a, b) => b.ageMs - a.ageMs);
  const now = sorted.at(-1);
  if (now === undefined) return { last5Min: undefined, lastHour: undefined, busiestHour: undefined };
  const lastHour = rateUntil(now, sorted, anHour);
  return { last5Min: rateUntil(now, sorted, fiveMin), lastHour, busiestHour: busiest(sorted) ?? lastHour };
}

function rateUntil(end: WalSample, sorted: readonly WalSample[], window: Window): number | undefined {
  const begin = sorted.find(({ ageMs }) => ageMs - end.ageMs <= window.spanMs + toleranceMs);
  return begin === undefined ? undefined : rateBetween(begin, end, window.leastMs);
}

/** A database that was restored to an earlier state has written less than it had before. */
function rateBetween(begin: WalSample, end: WalSample, leastMs: number): number | undefined {
  const spanMs = begin.ageMs - end.ageMs;
  if (spanMs < leastMs || end.lsn < begin.lsn) return undefined;
  return (Number(end.lsn - begin.lsn) / spanMs) * 1_000;
}

function busiest(sorted: readonly WalSample[]): number | undefined {
  let most: number | undefined;
  let from = 0;
  for (const end of sorted) {
    while (sorted[from]!.ageMs - end.ageMs > busyHour.spanMs + toleranceMs) from += 1;
    const rate = rateBetween(sorted[from]!, end, busyHour.leastMs);
    if (rate !== undefined && (most === undefined || rate > most)) most = rate;
  }
  return most;
}

/** What the forecast goes by: the higher of the two present rates, so that it errs on the early side. */
export function presentRate({ last5Min, lastHour }: WalRates): number | undefined {
  if (last5Min === undefined || lastHour === undefined) return last5Min ?? lastHour;
  return Math.max(last5Min, lastHour);
}

/**
 * Until so much WAL is written, if it goes on as it does and the slot does not move. Infinity: never.
 * @param bytes null if there is no limit; undefined if it is not known
 */
export function secondsUntil(bytes: number | null | undefined, rate: number | undefined): number | undefined {
  if (bytes === null) return Number.POSITIVE_INFINITY;
  if (bytes === undefined) return undefined;
  if (bytes <= 0) return 0;
  if (rate === undefined) return undefined;
  return rate <= 0 ? Number.POSITIVE_INFINITY : bytes / rate;
}

/** What is left for WAL of the disk that it may fill; undefined if either is not known. */
export function freeBytesOf({
  directoryBytes,
  diskBytes,
}: {
  readonly directoryBytes: number | undefined;
  readonly diskBytes: number | undefined;
}): number | undefined {
  if (directoryBytes === undefined || diskBytes === undefined) return undefined;
  return Math.max(0, diskBytes - directoryBytes);
}
