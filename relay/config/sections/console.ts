/** How `outbox-relay console` is reached, and what it shows to whom. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { choice, integer, optionalText, section, text } from '../setting.ts';
import { urlFault } from '../url.ts';

/** Short enough to type, long enough that nobody finds it by trying. */
const tokenLengthMin = 16;

const token = (description: string) =>
  z
    .string()
    .min(tokenLengthMin, `must have at least ${tokenLengthMin} characters`)
    .optional()
    .meta({ kind: 'string', secret: 'whole', description });

/** What the console shows of a payload. */
export const payloadViews = ['off', 'masked', 'full'] as const;

const isNetwork = (text: string): boolean => {
  const [address = '', bits, ...rest] = text.split('/');
  const most = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return (
    most >= 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  );
};

/** Whoever looks at the console sees it. */
const isShowableUrl = (text: string): boolean => {
  const url = URL.parse(text);
  return (
    /^https?:\/\//.test(text) && urlFault(text) === undefined && `${url?.username}${url?.password}` === ''
  );
};

export const console = section({
  host: text('Address on which `outbox-relay console` serves its pages.', '127.0.0.1'),
  port: integer('Port of the console; 0 = any free port.', 9467, 0, 65_535),
  hosts: z.array(z.string().min(1).max(253)).max(100).default([]).meta({
    kind: 'list',
    description:
      'Host names by which browsers reach the console through a proxy, such as `relay.example.com`. It refuses a request for any other host, except for its own address and loopback.',
  }),
  pathPrefix: z
    .string()
    .regex(/^\/([\w.-]+\/)*$/, 'must start and end with /, for example /outbox/')
    .default('/')
    .meta({
      kind: 'string',
      description: 'Path under which a proxy serves the console, such as `/outbox/`.',
    }),
  viewToken: token('Token with which a person may look, and change nothing.'),
  operateToken: token(
    'Token with which a person may look and act. Without a token and without userHeader the console makes one up at each start and prints it.',
  ),
  userHeader: optionalText(
    'Header in which a trusted proxy names the person, such as `X-Forwarded-User`. The proxy must remove it from what browsers send.',
  ),
  trustedProxies: z
    .array(z.string().refine(isNetwork, 'must be an address or a network, for example 10.0.0.0/8'))
    .max(100)
    .default(['127.0.0.1', '::1'])
    .meta({
      kind: 'list',
      description: 'Addresses and networks from which the console believes userHeader.',
    }),
  operators: z.array(z.string().min(1).max(200)).max(1_000).default([]).meta({
    kind: 'list',
    description: 'Persons of userHeader who may act; `*` = all of them. The others may look.',
  }),
  viewPayloads: choice(
    'How a person who may only look sees payloads: `off` = not at all; `masked` = names and types without values; `full` = as they are.',
    payloadViews,
    'masked',
  ),
  operatePayloads: choice(
    'How a person who may act sees payloads. Editing one needs `full`.',
    payloadViews,
    'masked',
  ),
  relays: z
    .array(
      z
        .string()
        .refine(isShowableUrl, 'must be a URL without user and password, for example http://relay-0:9465'),
    )
    .max(50)
    .default([])
    .meta({
      kind: 'list',
      description:
        'URLs of the relays whose metrics the console reads. Without them it tries the addresses that the relays announce, with which it works on the same machine only.',
    }),
  grafanaUrl: z
    .string()
    .refine(
      isShowableUrl,
      'must be a URL without user and password, for example https://grafana.example.com/d/outbox',
    )
    .optional()
    .meta({ kind: 'string', description: 'Dashboard that the console links to.' }),
});
