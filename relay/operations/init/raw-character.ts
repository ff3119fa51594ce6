/**
 * Finds what an address must have percent-encoded. Node and the relay take a password with an @ as it was meant; psql and
 * other programs to which people give the same address end the password there, and look for a host of that name.
 */
import { isSecretKey } from '../../config/secret-keys.ts';
import { endsInPath } from '../../config/url.ts';

/** Of user and password. The last ones end a word of a shell, or a reference in the file of the settings. */
const mustBeEncoded = /@|[\s"'\\{}]|%(?![\da-f]{2})/i;

/** @returns what is wrong, with the character and its code, and nothing else of the address; undefined if nothing is */
export function rawCharacterFault(address: string): string | undefined {
  const parts = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)(.*)$/is.exec(address);
  if (parts === null) return undefined;
  const [, authority = '', rest = ''] = parts;
  const character =
    authority.includes('@') || !endsEarly(authority, rest)
      ? mustBeEncoded.exec(authority.slice(0, Math.max(0, authority.lastIndexOf('@'))))?.[0]
      : rest[0];
  if (character !== undefined) return sentence(character, 'in its user or password');
  return hasPlus(rest) ? sentence('+', 'in a parameter that is a secret, where it means a space') : undefined;
}

/** Whether what follows the host so far is part of a password that has a character which ends it. */
function endsEarly(authority: string, rest: string): boolean {
  if (rest.startsWith('/')) return endsInPath(authority, rest.replace(/\?.*/s, ''));
  return rest.startsWith('?') ? /^[^=&]*@/.test(rest) : /^#.*@/.test(rest);
}

function hasPlus(rest: string): boolean {
  const [, query = ''] = /\?([^#]*)/.exec(rest) ?? [];
  return query.split('&').some((pair) => {
    const [key = '', ...value] = pair.split('=');
    return isSecretKey(key) && value.join('=').includes('+');
  });
}

function sentence(character: string, where: string): string {
  const code = `%${character.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`;
  const name = /\s/.test(character) ? 'a space' : `the character ${character}`;
  return `has ${name} ${where}: write ${code} for it`;
}
