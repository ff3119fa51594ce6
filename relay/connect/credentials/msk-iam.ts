/**
 * Owns tokens for Amazon MSK: its brokers take a signed request in place of a token of OAuth. The package of AWS signs it
 * with the credentials that it finds (environment, container, instance, web identity). Not tried against MSK itself.
 */
import { messageOf, RelayError } from '../../errors.ts';
import { loadPeer } from './peer.ts';
import type { Token } from './token.ts';

export async function requestMskToken(region: string, roleArn: string | undefined): Promise<Token> {
  const signer = await loadPeer(
    'aws-msk-iam-sasl-signer-js',
    'kafka.saslMechanism: aws-iam',
    () => import('aws-msk-iam-sasl-signer-js'),
  );
  try {
    const { token, expiryTime } =
      roleArn === undefined
        ? await signer.generateAuthToken({ region })
        : await signer.generateAuthTokenFromRole({ region, awsRoleArn: roleArn });
    return { value: token, expiresAtMs: expiryTime };
  } catch (error) {
    const why = messageOf(error);
    throw new RelayError('CREDENTIALS_UNAVAILABLE', `signing in to MSK: AWS gives no credentials: ${why}`);
  }
}
