/** Owns the loading of packages that only some installations need: none of them is a dependency of the relay. */
import { messageOf, RelayError } from '../../errors.ts';

/**
 * @param load imports the package, by its name as a literal so that bundlers and the compiler see it
 * @param setting what needs it, for the message
 * @throws RelayError CONFIG_INVALID if it is not installed or cannot be loaded; without a cause, as `TokenSource` wants
 */
export async function loadPeer<Module>(
  name: string,
  setting: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    throw new RelayError(
      'CONFIG_INVALID',
      isMissing
        ? `${setting} needs the package ${name}, which is not installed: run npm install ${name} where outbox-relay is installed`
        : `${setting} needs the package ${name}, which cannot be loaded: ${messageOf(error)}`,
    );
  }
}
