/** How a cache is used, counted where it is asked: a number each, read once a second. */
import type { CacheUse } from '../observe/facts.ts';

export class CacheCount {
  hits = 0;
  misses = 0;

  use(cache: CacheUse['cache'], entries: number): CacheUse {
    return { cache, hits: this.hits, misses: this.misses, entries };
  }
}
