import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { addressOf, hostName } from '../../../../relay/connect/postgres/address.ts';
import { parseServices } from '../../../../relay/connect/postgres/service-file.ts';
import { asRelayError } from '../../../../relay/errors.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'service-'));

function serviceFile(text: string, name = 'own.conf'): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function described(url: string, env: Record<string, string> = {}) {
  const { url: rest, hosts, wanted } = addressOf(url, env);
  const at = `${rest.username}:${rest.password}@${hosts.map(hostName).join()}${rest.pathname}${rest.search}`;
  return `${at} ${wanted}`;
}

function failureOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    const { code, message } = asRelayError(error);
    return `${code}: ${message}`;
  }
  return 'none';
}

const shop = `
# comment
[shop]
host=db-1,db-2
port=5433
user=relay
password=sesame # is part of it
dbname=app
sslmode=verify-full
target_session_attrs=primary
user=ignored

[other]
host=elsewhere
[shop]
host=ignored
`;

describe('a service', () => {
  test('gives what the URL leaves out, from the file of the user', () => {
    const env = { PGSERVICEFILE: serviceFile(shop) };
    const whole =
      'relay:@db-1:5433,db-2:5433/app?password=sesame+%23+is+part+of+it&sslmode=verify-full primary';
    expect(described('postgres://?service=shop', env)).toBe(whole);
    expect(described('postgres://', { ...env, PGSERVICE: 'shop' })).toBe(whole);
  });

  test('yields to the URL', () => {
    const env = { PGSERVICEFILE: serviceFile(shop) };
    const url = 'postgres://me:own@here:1/mine?service=shop&sslmode=disable&target_session_attrs=any';
    expect(described(url, env)).toBe('me:own@here:1/mine?sslmode=disable any');
  });

  test('is looked for in the file of the system next', () => {
    serviceFile('[shop]\nhost=of-system\n', 'pg_service.conf');
    const env = { PGSERVICEFILE: serviceFile('[other]\nhost=x\n'), PGSYSCONFDIR: folder };
    expect(described('postgres://?service=shop', env)).toBe(':@of-system:5432 any');
    const home = { HOME: '/nonexistent', PGSYSCONFDIR: folder };
    expect(described('postgres://?service=shop', home)).toBe(':@of-system:5432 any');
  });

  test('that is not known names the files that were read', () => {
    const file = serviceFile('[other]\n');
    expect(failureOf(() => addressOf('postgres://?service=shop', { PGSERVICEFILE: file }))).toBe(
      `CONFIG_INVALID: the service shop of database.url is not known: ${file} has no section [shop]`,
    );
    expect(failureOf(() => addressOf('postgres://?service=shop', { HOME: '/nonexistent' }))).toMatch(
      /there is no service file: not \/nonexistent\/.pg_service.conf, and PGSERVICEFILE is not set$/,
    );
    expect(failureOf(() => addressOf('postgres://?service=shop', { PGSERVICEFILE: '/nonexistent' }))).toMatch(
      /^CONFIG_INVALID: the service file cannot be read: ENOENT/,
    );
  });

  test.each([
    ['host=db', 'line 1 .* stands before the first'],
    ['[shop]\nsesame', 'line 2 .* is neither a comment'],
    ['[shop]\n\nhots=sesame', 'line 3 .* has the parameter hots, which libpq does not have'],
    ['[shop]\nhost = sesame', 'line 2 .* perhaps a space'],
    ['[shop]\nservice=sesame', 'line 2 .* names another service'],
    ['[shop]\nldap://sesame', 'line 2 .* asks LDAP'],
    ['[shop]\nhost=a\nhostaddr=::1', 'both host and hostaddr'],
    ['[shop]\nhost=a,b\nport=1,2,3', 'hosts and ports that do not belong together'],
    ['[shop]\ntarget_session_attrs=standby', 'target_session_attrs other than'],
  ])('file with %j says what is wrong, and quotes no value', (text, fault) => {
    const failure = failureOf(() =>
      addressOf('postgres://?service=shop', { PGSERVICEFILE: serviceFile(text) }),
    );
    expect(failure).toMatch(new RegExp(`^CONFIG_INVALID: .*${fault}`));
    expect(failure).not.toContain('sesame');
  });

  test('file may be of any size and end its lines as Windows does', () => {
    const many = Array.from({ length: 20_000 }, (_, at) => `[s${at}]\r\nhost=h${at}\r\n`).join('');
    expect(parseServices(many, 'many').get('s19999')?.get('host')).toBe('h19999');
  });
});

describe('the environment', () => {
  test.each([
    ['postgres:///shop', {}, ':@localhost:5432/shop any'],
    ['postgres:///shop', { PGHOST: 'a,b', PGPORT: '6' }, ':@a:6,b:6/shop primary'],
    ['postgres:///shop', { PGHOST: '/tmp' }, ':@/tmp/.s.PGSQL.5432/shop any'],
    ['postgres://c/shop', { PGHOST: 'a,b', PGPORT: '6' }, ':@c:6/shop any'],
    ['postgres://[::1]/shop', { PGTARGETSESSIONATTRS: 'read-write' }, ':@[::1]:5432/shop primary'],
    ['postgres://a,b/shop', { PGTARGETSESSIONATTRS: 'any' }, ':@a:5432,b:5432/shop any'],
  ])('completes %s with %j', (url, env, address) => {
    expect(described(url, env)).toBe(address);
  });
});
