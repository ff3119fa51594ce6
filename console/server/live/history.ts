/** Owns what the console remembers of the series: a ring in memory, so that it needs no Prometheus. */
import { type Figures, type SeriesName, seriesNames } from './figures.ts';

export type Points = {
  /** Unix time of each point, in seconds, ascending. */
  readonly seconds: readonly number[];
  readonly series: Readonly<Record<SeriesName, readonly (number | null)[]>>;
};

export class History {
  readonly #capacity: number;
  readonly #everyMs: number;
  readonly #atMs: Float64Array;
  /** NaN where a value is not known. */
  readonly #values: Readonly<Record<SeriesName, Float64Array>>;
  #begin = 0;
  #length = 0;

  /**
   * @param capacity points; memory is 8 bytes for each of them and of the series
   * @param everyMs how often one comes
   */
  constructor(capacity: number, everyMs: number) {
    this.#capacity = capacity;
    this.#everyMs = everyMs;
    this.#atMs = new Float64Array(capacity);
    this.#values = Object.fromEntries(
      seriesNames.map((name) => [name, new Float64Array(capacity)]),
    ) as Record<SeriesName, Float64Array>;
  }

  /** Where the clock was set back, the points of the time that comes again go. */
  add(atMs: number, figures: Figures): void {
    while (this.#length > 0 && this.#atMs[this.#placeOf(this.#length - 1)]! >= atMs) this.#length--;
    const place = this.#placeOf(this.#length);
    this.#atMs[place] = atMs;
    for (const name of seriesNames) this.#values[name][place] = figures[name] ?? Number.NaN;
    if (this.#length < this.#capacity) this.#length++;
    else this.#begin = (this.#begin + 1) % this.#capacity;
  }

  #placeOf(index: number): number {
    return (this.#begin + index) % this.#capacity;
  }

  /**
   * The points since then, at most `pointsMax`: of several that become one, the largest value counts, so that no peak is
   * lost. Points that were missed leave a gap.
   */
  since(sinceMs: number, pointsMax: number): Points {
    const places: number[] = [];
    for (let index = 0; index < this.#length; index++) {
      const place = this.#placeOf(index);
      if (this.#atMs[place]! >= sinceMs) places.push(place);
    }
    const step = Math.max(1, Math.ceil(places.length / pointsMax));
    const groups: number[][] = [];
    for (let index = 0; index < places.length; index += step) groups.push(places.slice(index, index + step));
    return this.#withGaps(groups, step * this.#everyMs);
  }

  /** Between points that are further apart than they come stands one that is not known. */
  #withGaps(groups: readonly (readonly number[])[], stepMs: number): Points {
    const seconds: number[] = [];
    const series = Object.fromEntries(seriesNames.map((name) => [name, [] as (number | null)[]])) as Record<
      SeriesName,
      (number | null)[]
    >;
    let beforeMs = Number.POSITIVE_INFINITY;
    for (const group of groups) {
      const atMs = this.#atMs[group.at(-1)!]!;
      if (atMs - beforeMs > 3 * stepMs) {
        seconds.push((beforeMs + stepMs) / 1_000);
        for (const name of seriesNames) series[name].push(null);
      }
      seconds.push(atMs / 1_000);
      for (const name of seriesNames) series[name].push(largest(this.#values[name], group));
      beforeMs = atMs;
    }
    return { seconds, series };
  }
}

function largest(values: Float64Array, places: readonly number[]): number | null {
  const known = places.map((place) => values[place]!).filter((value) => !Number.isNaN(value));
  return known.length === 0 ? null : Math.max(...known);
}
