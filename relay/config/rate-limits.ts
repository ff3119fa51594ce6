/** The rate limits of the settings, as they are whenever somebody looks: they change without a restart. */
import type { RateLimits } from '../model/control.ts';
import type { Config } from './schema.ts';

export function rateLimitsOf({ publish }: Pick<Config, 'publish'>): RateLimits {
  return {
    get eventsPerSecond() {
      return publish.maxEventsPerSecond;
    },
    get bytesPerSecond() {
      return publish.maxBytesPerSecond;
    },
  };
}
