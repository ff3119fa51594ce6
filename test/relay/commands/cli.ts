/** Runs the command line as a process of its own, as a person or a script does. */
import { spawn } from 'node:child_process';
import { expect, onTestFailed } from 'vitest';
import { getCurrentTest } from 'vitest/suite';
import { inheritedEnv, mainFile } from '../../../harness/relay-process.ts';

export type CliResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** @param env all that the process knows besides `inheritedEnv`; nothing of the machine's own settings leaks in */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<CliResult> {
  const child = spawn(process.execPath, [mainFile, ...args], {
    cwd,
    env: { ...inheritedEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const read = async (stream: NodeJS.ReadableStream) => {
    let text = '';
    for await (const chunk of stream) text += chunk;
    return text;
  };
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return Promise.all([exited, read(child.stdout), read(child.stderr)]).then(([code, stdout, stderr]) => {
    // No secret of a URL in any output, whatever the test is about.
    expect(`${stdout}${stderr}`).not.toContain('sesame');
    // Not where a hook runs it for all tests of a file.
    if (getCurrentTest() !== undefined)
      onTestFailed(() => console.error(`${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`));
    return { code, stdout, stderr };
  });
}
