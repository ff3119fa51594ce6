/** How the relay is watched: HTTP, metrics and the log. */
import { z } from 'zod';
import { logComponents, logLevels } from '../log-components.ts';
import { choice, flag, integer, map, optionalText, section, text } from '../setting.ts';

export const http = section({
  host: text('Address on which the relay serves `/livez`, `/readyz` and `/metrics`.', '127.0.0.1'),
  port: integer('Port for `/livez`, `/readyz` and `/metrics`; 0 = any free port.', 9465, 0, 65_535),
  announce: optionalText(
    'Host name or address, without a port, at which other machines reach the relay. `status` shows it and the console uses it. Without it, `http.host`.',
  ).refine((host) => host === undefined || /^[\w.:-]+$/.test(host), 'must be a host name or an address'),
});

export const metrics = section({
  consumerGroups: z.array(z.string().min(1).max(249)).max(100).default([]).meta({
    kind: 'list',
    description:
      'Consumer groups whose lag the relay that streams measures every 15 s, in the topics of `topics.allow`. It needs the right Describe on each.',
  }),
  blockedTopicsMax: integer(
    'In how many topics of `topics.allow` the relay that streams looks whether an open transaction keeps consumers under `read_committed` from their ends (`outbox_relay_topic_blocked_seconds`), beside its progress topic; 0 = in none. The right Read on the topics lets it say whose transaction that is.',
    500,
    0,
    10_000,
  ),
  blockedTopicsLookMs: integer(
    'Pause between two such looks, in ms. A transaction of a relay counts as hanging when it is open for `kafka.transactionTimeoutMs` and two looks.',
    15_000,
    500,
    300_000,
  ),
  hotKeys: integer(
    'How many of the hottest keys the metric `outbox_relay_hot_key_ratio` shows; 0 = none, and keys are not counted.',
    10,
    0,
    100,
  ),
  showKeys: flag(
    'Whether `outbox_relay_hot_key_ratio` shows keys themselves. By default it shows the first digits of the SHA-256 of each key. These do not hide a key that can be guessed: its SHA-256 confirms the guess.',
    false,
  ),
  partitionsMax: integer(
    'How many partitions have a time series of their own in `outbox_relay_partition_events_published_total`; the others of each topic share one. 0 = none.',
    1_000,
    0,
    100_000,
  ),
});

export const log = section({
  level: choice(
    'Lowest level that is logged: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.',
    logLevels,
    'info',
  ),
  levels: map(
    `Levels of single components, such as \`kafka: debug\`, or \`kafka=debug,upkeep=warn\` in the variable. \`log.level\` applies to the others. A line names its component: ${logComponents.map((name) => `\`${name}\``).join(', ')}.`,
    logComponents,
    logLevels,
  ),
});
