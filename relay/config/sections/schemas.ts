/** How events are encoded: the registry and the schemas. */
import { z } from 'zod';
import { addresses, choice, integer, optionalText, pairs, section, text, textOrNone } from '../setting.ts';
import { oauthClient } from './oauth.ts';

const isHeader = ([name, value]: [string, string]): boolean =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) &&
  /^[\t\x20-\x7e]*$/.test(value) &&
  name.toLowerCase() !== 'authorization';

export const registry = section({
  url: addresses(/^https?:\/\//, 'must start with http:// or https://', 'http://registry:8081')
    .optional()
    .meta({
      kind: 'string',
      env: 'SCHEMA_REGISTRY_URL',
      secret: 'url',
      description:
        'URL of the schema registry, which must have the Confluent API. Several URLs of one registry are separated by commas: if one does not answer, the relay asks the next. Required unless `records.format` makes every topic `json`.',
    }),
  username: optionalText('User name for basic authentication.'),
  password: optionalText('Password for basic authentication.', { secret: 'whole' }),
  // No header can hold a line end: one pasted with the token would look like an outage.
  token: z
    .string()
    .regex(/^[!-~]+$/, 'must be printable ASCII without spaces')
    .optional()
    .meta({ kind: 'string', description: 'Token for bearer authentication.', secret: 'whole' }),
  tokenFile: optionalText(
    'File with the token for bearer authentication. Something else renews it; the relay reads it for each request.',
  ),
  oauth: section(oauthClient('the registry')),
  headers: pairs(
    'Headers of each request. Confluent Cloud needs `target-sr-cluster=lsrc-…,Confluent-Identity-Pool-Id=pool-…` with a token.',
  ).refine((headers) => Object.entries(headers).every(isHeader), {
    error: 'must be names and values of HTTP headers, and not authorization',
  }),
  sslCaFile: optionalText('PEM file with the certificate authorities to trust, for an https URL.'),
  sslCertFile: optionalText('File with the client certificate, PEM.'),
  sslKeyFile: optionalText('File with the client key, PEM.'),
  timeoutMs: integer('How long the relay waits for an answer of the registry, in ms.', 5_000, 100, 600_000),
  latestTtlMs: integer(
    'How long the relay uses the latest version of a subject before it asks the registry again, in ms.',
    60_000,
    0,
    86_400_000,
  ),
});

export const schemas = section({
  directory: text('Directory with the `.avsc` files that the `schemas` commands read.', 'schemas'),
  subjectStrategy: choice(
    'How the subject of an event is named: `topic` = `<topic>-value`, `record` = the full record name, `topic-record` = `<topic>-<full record name>`.',
    ['topic', 'record', 'topic-record'],
    'topic-record',
  ),
  namespace: textOrNone(
    'Namespace of every `type` that has no dot; together they give the full record name.',
    '',
  ),
  typeMatch: choice(
    'Whether `type` must name a type of the schema. `record` = it must name the record, or in a union the branch, by full name, by alias, or (without a namespace) by simple name; other events are refused. `any` = a schema of one record takes every type; in a union, an event whose type names no branch must name it in the payload: `{"<branch>": …}`.',
    ['record', 'any'],
    'record',
  ),
  versions: z
    .array(z.string().regex(/^[^=\s,]+=[1-9]\d{0,8}$/, 'must be <subject>=<version>'))
    .default([])
    .meta({
      kind: 'list',
      description:
        'Subjects with a fixed version, as `<subject>=<version>`; all others use the latest. The header `schema-version` of a row takes precedence.',
    }),
  bytes: choice(
    'How payloads write Avro `bytes` and `fixed`: `base64` (padded), `base64url` (unpadded), `hex`, or `latin1` (one character per byte, as in Avro’s own JSON).',
    ['base64', 'base64url', 'hex', 'latin1'],
    'base64',
  ),
});
