/** The rules between the settings with which the relay signs in to its servers: each says one thing. */
import { parsePostgresUrl } from './postgres-url.ts';
import type { Config } from './schema.ts';
import type { OAuthSettings } from './sections/oauth.ts';

type Rule = (config: Config) => { readonly key: string; readonly message: string } | undefined;

const rule =
  (key: string, message: string, isBroken: (config: Config) => boolean): Rule =>
  (config) =>
    isBroken(config) ? { key, message } : undefined;

const isPasswordMechanism = ({ saslMechanism: mechanism }: Config['kafka']): boolean =>
  mechanism === 'plain' || mechanism === 'scram-sha-256' || mechanism === 'scram-sha-512';

const hasPassword = ({ saslUsername, saslPassword }: Config['kafka']): boolean =>
  (saslUsername ?? saslPassword) !== undefined;

/** Whether any setting of the client is there, those with defaults aside. */
export function hasOAuthClient(oauth: OAuthSettings): boolean {
  const { tokenEndpoint, clientId, clientSecret, clientSecretFile, scope, sslCaFile, parameters } = oauth;
  const given = [tokenEndpoint, clientId, clientSecret, clientSecretFile, scope, sslCaFile];
  return given.some((value) => value !== undefined) || Object.keys(parameters).length > 0;
}

/** @param clientOf the client, where one is to be used; undefined elsewhere */
const clientRules = (
  section: string,
  clientOf: (config: Config) => OAuthSettings | undefined,
): readonly Rule[] => {
  const broken = (isBroken: (oauth: OAuthSettings) => boolean) => (config: Config) => {
    const oauth = clientOf(config);
    return oauth !== undefined && isBroken(oauth);
  };
  return [
    rule(
      `${section}.tokenEndpoint`,
      `and ${section}.clientId must both be set`,
      broken(({ tokenEndpoint, clientId }) => tokenEndpoint === undefined || clientId === undefined),
    ),
    rule(
      `${section}.clientSecret`,
      `or ${section}.clientSecretFile must be set, and not both`,
      broken(
        ({ tokenEndpoint, clientSecret, clientSecretFile }) =>
          tokenEndpoint !== undefined && (clientSecret === undefined) === (clientSecretFile === undefined),
      ),
    ),
    rule(
      `${section}.tokenEndpoint`,
      `must start with https:// if ${section}.sslCaFile is set`,
      broken(
        ({ tokenEndpoint, sslCaFile }) =>
          sslCaFile !== undefined && tokenEndpoint?.startsWith('http:') === true,
      ),
    ),
  ];
};

export const signInRules: readonly Rule[] = [
  rule(
    'database.url',
    'must hold no password if database.passwordFile, passwordCommand or passwordFrom is set, and only one of these may be',
    ({ database: { url, passwordFile, passwordCommand, passwordFrom } }) => {
      const of = parsePostgresUrl(url)?.url;
      const isInUrl = of !== undefined && (of.password !== '' || of.searchParams.has('password'));
      const sources = [passwordFile !== undefined, passwordCommand.length > 0, passwordFrom !== undefined];
      const count = sources.filter(Boolean).length;
      return count > 1 || (count === 1 && isInUrl);
    },
  ),
  rule(
    'kafka.saslMechanism',
    'needs kafka.saslUsername and kafka.saslPassword',
    ({ kafka }) =>
      isPasswordMechanism(kafka) && (kafka.saslUsername === undefined || kafka.saslPassword === undefined),
  ),
  rule(
    'kafka.saslMechanism',
    'is required if kafka.saslUsername or kafka.saslPassword is set',
    ({ kafka }) => kafka.saslMechanism === undefined && hasPassword(kafka),
  ),
  rule(
    'kafka.saslUsername',
    'and kafka.saslPassword are for plain and scram-sha-… only',
    ({ kafka }) => kafka.saslMechanism !== undefined && !isPasswordMechanism(kafka) && hasPassword(kafka),
  ),
  rule(
    'kafka.saslMechanism',
    'must be oauthbearer if a setting of kafka.oauth is set',
    ({ kafka: { saslMechanism, oauth } }) =>
      saslMechanism !== 'oauthbearer' &&
      (hasOAuthClient(oauth) || oauth.tokenFile !== undefined || Object.keys(oauth.extensions).length > 0),
  ),
  rule(
    'kafka.oauth.tokenFile',
    'and kafka.oauth.tokenEndpoint cannot both be set',
    ({ kafka: { saslMechanism, oauth } }) =>
      saslMechanism === 'oauthbearer' && oauth.tokenFile !== undefined && hasOAuthClient(oauth),
  ),
  ...clientRules('kafka.oauth', ({ kafka: { saslMechanism, oauth } }) =>
    saslMechanism === 'oauthbearer' && oauth.tokenFile === undefined ? oauth : undefined,
  ),
  rule(
    'kafka.saslMechanism',
    'must be aws-iam if kafka.awsRegion or kafka.awsRoleArn is set',
    ({ kafka: { saslMechanism, awsRegion, awsRoleArn } }) =>
      saslMechanism !== 'aws-iam' && (awsRegion ?? awsRoleArn) !== undefined,
  ),
  rule(
    'kafka.awsRegion',
    'is required for aws-iam',
    ({ kafka }) => kafka.saslMechanism === 'aws-iam' && kafka.awsRegion === undefined,
  ),
  rule(
    'kafka.ssl',
    'must be true for aws-iam: MSK takes it over TLS only',
    ({ kafka }) => kafka.saslMechanism === 'aws-iam' && !kafka.ssl,
  ),
  rule(
    'registry.token',
    'and registry.username, registry.tokenFile, registry.oauth: only one of them may be set',
    ({ registry: { token, tokenFile, username, password, oauth } }) => {
      const ways = [token, tokenFile, username ?? password].map((value) => value !== undefined);
      return [...ways, hasOAuthClient(oauth)].filter(Boolean).length > 1;
    },
  ),
  ...clientRules('registry.oauth', ({ registry: { oauth } }) => (hasOAuthClient(oauth) ? oauth : undefined)),
];
