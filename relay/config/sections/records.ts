/** What a record looks like: the form of its value, and its headers. */
import { z } from 'zod';
import { defaultHeaders, fixedHeaders, headerFields } from '../record-headers.ts';
import { choice, section } from '../setting.ts';
import { valueFormats } from '../value-format.ts';

const headerNameMax = 200;

export const records = section({
  format: choice(
    'Form of the values: `avro` = Avro with the id of a schema of the registry; `json` = the text of the payload, unchanged, without a schema. If every topic is `json`, the relay needs no registry.',
    valueFormats,
    'avro',
  ),
  formats: z
    .array(
      z.string().regex(new RegExp(`^[^=\\s,]+=(${valueFormats.join('|')})$`), 'must be <topic>=<format>'),
    )
    .default([])
    .meta({
      kind: 'list',
      description:
        'Formats by topic, as `<topic>=<format>`. `*` stands for any characters; the first match counts. `records.format` applies to all other topics.',
    }),
  headers: z
    .record(
      z
        .string()
        .regex(/^[!-+.-<>-~-]+$/, 'must be a name of printable ASCII, without spaces, `,` and `=`')
        .max(headerNameMax)
        .refine((name) => !fixedHeaders.has(name) && name !== '__proto__', {
          error: 'is a header that the relay writes itself, so it cannot be used here',
        }),
      z.enum(headerFields, { error: `must be one of ${headerFields.join(', ')}` }),
    )
    .default(defaultHeaders)
    .meta({
      kind: 'map',
      description: `Headers with a field of the row: name of the header to field, such as \`eventType: type\`. Fields: ${headerFields.map((field) => `\`${field}\``).join(', ')}. The headers \`id\` and \`position\` are always there under these names.`,
    }),
});
