/**
 * What a program may import from this package. The names here stay for as long as the major version does; nothing else of
 * the package can be imported.
 */
export { type ErrorClass, type ErrorCode, RelayError } from './errors.ts';
export {
  createRelay,
  type LogLine,
  type Relay,
  type RelayEvents,
  type RelayState,
  readSettings,
  type StopResult,
} from './library/relay.ts';
export type { RelaySettings } from './library/settings.ts';
