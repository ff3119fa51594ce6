/**
 * Writes the files of a new project. Promise: a file that is there stays as it is, unless the caller says `replaces`; and
 * what fails leaves nothing behind that was not there before.
 */
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RequestInvalid } from '../../errors.ts';
import { filesOf, type NewFile } from './files.ts';
import { assertProject, type Project } from './project.ts';

export type InitOptions = {
  readonly project: Project;
  /** Made if it does not exist. */
  readonly directory: string;
  /** Whether files that exist are overwritten. */
  readonly replaces: boolean;
};

export type InitResult = {
  readonly directory: string;
  readonly files: readonly (Pick<NewFile, 'path' | 'what'> & { readonly status: 'written' | 'replaced' })[];
};

/** @throws RequestInvalid, RelayError CONFIG_INVALID; nothing is written then */
export async function init({ project, directory, replaces }: InitOptions): Promise<InitResult> {
  assertProject(project);
  const files = filesOf(project);
  const there = new Set<string>();
  for (const file of files) if (await exists(path.join(directory, file.path))) there.add(file.path);
  if (there.size > 0 && !replaces)
    throw new RequestInvalid(
      `${[...there].join(', ')} ${there.size === 1 ? 'exists' : 'exist'} already in ${directory}; nothing was written. --force replaces ${there.size === 1 ? 'it' : 'them'}`,
    );
  const written: string[] = [];
  try {
    for (const { path: name, text } of files) {
      const file = path.join(directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      // One that somebody has made since must not be lost.
      await writeFile(file, text, { flag: there.has(name) ? 'w' : 'wx' });
      if (!there.has(name)) written.push(file);
    }
  } catch (error) {
    for (const file of written) await rm(file, { force: true });
    const { code, path: where } = error as NodeJS.ErrnoException;
    throw new RequestInvalid(`${where ?? directory} cannot be written (${code}); no new file was left`);
  }
  return {
    directory,
    files: files.map(({ path: name, what }) => ({
      path: name,
      what,
      status: there.has(name) ? 'replaced' : 'written',
    })),
  };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ENOENT') return false;
      throw new RequestInvalid(`${file} cannot be looked at (${code}); nothing was written`);
    },
  );
}
