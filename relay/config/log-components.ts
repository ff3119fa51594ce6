/** The parts of a relay whose lines in the log can have a level of their own, and the levels. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

export const logComponents = [
  'relay',
  'capture',
  'encode',
  'publish',
  'refusals',
  'recover',
  'upkeep',
  'audit',
  'tracing',
  'kafka',
] as const;
export type LogComponent = (typeof logComponents)[number];
