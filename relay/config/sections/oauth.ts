/** How the relay gets a token from an identity provider, for Kafka or for the registry. */
import type { z } from 'zod';
import { address, choice, optionalText, pairs } from '../setting.ts';

/** @param server what the token is for, as in `Kafka` */
export const oauthClient = (server: string) => ({
  tokenEndpoint: address(/^https?:\/\//, 'must start with http:// or https://', '')
    .optional()
    .meta({
      kind: 'string',
      secret: 'url',
      description: `URL of the token endpoint of the identity provider, where the relay gets tokens for ${server} with its client credentials.`,
    }),
  clientId: optionalText('Client id at the token endpoint.'),
  clientSecret: optionalText('Client secret.', { secret: 'whole' }),
  clientSecretFile: optionalText('File with the client secret. The relay reads it for each request.'),
  authMethod: choice(
    'How the secret goes to the token endpoint: `client_secret_basic` = in the header Authorization, `client_secret_post` = in the body.',
    ['client_secret_basic', 'client_secret_post'],
    'client_secret_basic',
  ),
  scope: optionalText('Scope to ask for; several are separated by spaces.'),
  parameters: pairs(
    'Further parameters of the request, such as `audience=…` or `resource=…`, which some identity providers need.',
  ),
  sslCaFile: optionalText('PEM file with the certificate authorities to trust at the token endpoint.'),
});

/** Names and values of the extensions of OAUTHBEARER. */
export const extensions = pairs(
  'SASL extensions to send with the token. Confluent Cloud needs `logicalCluster=lkc-…,identityPoolId=pool-…`.',
).superRefine((given, context) => {
  for (const [name, value] of Object.entries(given))
    if (!/^[A-Za-z]+$/.test(name) || name === 'auth' || !/^[\x20-\x7e\t\r\n]+$/.test(value))
      context.addIssue({
        code: 'custom',
        message: `has an extension ${JSON.stringify(name)} that SASL does not allow: a name has letters only and is not auth, a value is printable ASCII`,
      });
});

export type OAuthSettings = z.output<z.ZodObject<ReturnType<typeof oauthClient>>>;
