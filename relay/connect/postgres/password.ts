/**
 * Owns where the password for Postgres comes from. A source is asked for each connection that the server wants a password
 * for, so a password that was changed counts for the next connection, without a restart.
 */
import { createRequire } from 'node:module';
import type { Config } from '../../config/config.ts';
import { messageOf, RelayError } from '../../errors.ts';
import { runForPassword } from '../credentials/command.ts';
import { readSecret } from '../credentials/file.ts';
import { loadPeer } from '../credentials/peer.ts';
import { addressOf } from './address.ts';

type Database = Pick<
  Config['database'],
  'url' | 'passwordFile' | 'passwordCommand' | 'passwordFrom' | 'connectTimeoutMs'
>;

/** The package brings no types. */
const pgpass = createRequire(import.meta.url)('pgpass') as (
  target: Target,
  found: (password: string | undefined) => void,
) => void;

/** What the driver knows of the connection. */
export type Target = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
};

/** @throws RelayError CREDENTIALS_UNAVAILABLE, CONFIG_INVALID, POSTGRES_UNAUTHORIZED where there is no password */
export type PasswordSource = (target: Target) => Promise<string>;

/** @returns undefined where the URL or the environment holds the password */
export function passwordSource(database: Database, env = process.env): PasswordSource | undefined {
  const { passwordFile: file, passwordCommand: command, passwordFrom, connectTimeoutMs, url } = database;
  if (file !== undefined) return () => readPassword(file);
  // Before the driver gives the connection up, which would not name the command.
  const commandMs = Math.floor(connectTimeoutMs * 0.8);
  if (command.length > 0) return () => runForPassword(command, commandMs, 'database.passwordCommand');
  if (passwordFrom === 'rds-iam') return signForRds;
  const { password, searchParams } = addressOf(url, env).url;
  if (password !== '' || searchParams.has('password') || (env.PGPASSWORD ?? '') !== '') return undefined;
  return fromPasswordFile;
}

async function readPassword(file: string): Promise<string> {
  const text = await readSecret(file, 'the file of database.passwordFile');
  const password = text.replace(/\r?\n$/, '');
  if (password !== '') return password;
  throw new RelayError('CREDENTIALS_UNAVAILABLE', `the file ${file} of database.passwordFile is empty`);
}

/** As libpq does: PGPASSFILE, or ~/.pgpass. */
function fromPasswordFile(target: Target): Promise<string> {
  return new Promise((resolve, reject) => {
    pgpass(target, (password) => {
      if (password !== undefined) return resolve(password);
      const { user, host, port } = target;
      reject(
        new RelayError(
          'POSTGRES_UNAUTHORIZED',
          `Postgres at ${host}:${port} asks for the password of ${user}, and there is none: not in DATABASE_URL, PGPASSWORD or a password file, and no database.passwordFile or database.passwordCommand is set`,
        ),
      );
    });
  });
}

/** Not tried against RDS itself. A token counts for 15 minutes, and only for new connections. */
async function signForRds({ host, port, user }: Target): Promise<string> {
  const { Signer } = await loadPeer(
    '@aws-sdk/rds-signer',
    'database.passwordFrom: rds-iam',
    () => import('@aws-sdk/rds-signer'),
  );
  const region = /\.([a-z0-9-]+)\.rds\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
  try {
    const signer = new Signer({
      hostname: host,
      port,
      username: user,
      ...(region === undefined ? {} : { region }),
    });
    return await signer.getAuthToken();
  } catch (error) {
    const why = messageOf(error);
    throw new RelayError('CREDENTIALS_UNAVAILABLE', `signing in to RDS: AWS gives no credentials: ${why}`);
  }
}
