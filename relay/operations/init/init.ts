/**
 * Writes the files of a new project. Promise: a file that is there stays as it is, unless the caller says `replaces`; and
 * what fails leaves nothing behind that was not there before.
 */
import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RequestInvalid } from '../../errors.ts';
import { filesOf, isOfEvery, type NewFile } from './files.ts';
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

/** @throws RequestInvalid; nothing is written then */
export async function init({ project, directory, replaces }: InitOptions): Promise<InitResult> {
  assertProject(project);
  const files = filesOf(project);
  const there = new Set(
    await findExisting(
      directory,
      files.map((file) => file.path),
    ),
  );
  if (!replaces) refuse(directory, [...there]);
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

/**
 * Before anybody answers questions.
 * @param project as far as it is known: its first event may still get another name
 * @throws RequestInvalid if a file is there that every project has, with all that are there
 */
export async function assertFree(directory: string, project: Project): Promise<void> {
  const files = filesOf(project);
  const existing = await findExisting(
    directory,
    files.map((file) => file.path),
  );
  if (existing.some((each) => isOfEvery({ path: each }))) refuse(directory, existing);
}

async function findExisting(directory: string, paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const each of paths) if (await exists(path.join(directory, each))) found.push(each);
  return found;
}

function refuse(directory: string, existing: readonly string[]): void {
  if (existing.length === 0) return;
  const [verb, them] = existing.length === 1 ? ['exists', 'it'] : ['exist', 'them'];
  throw new RequestInvalid(
    `${existing.join(', ')} ${verb} already in ${path.resolve(directory)}; nothing was written. --force replaces ${them}`,
  );
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
