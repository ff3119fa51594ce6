/**
 * What action.yml runs: the schema commands on the files of a pull request, and their result as a comment and a summary. It
 * decides nothing itself: the gate is closed if a command says so, or if one could not answer. A comment that cannot be
 * written is a warning, since the token of a pull request from a fork may not write.
 */
import { spawn } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Answer, marker, report } from './report.ts';

const entry = join(import.meta.dirname, '../../bin/outbox-relay.js');

type Environment = Readonly<Record<string, string | undefined>>;

async function main(env: Environment): Promise<void> {
  const cwd = resolve(env.GITHUB_WORKSPACE ?? '.', env.GATE_FOLDER || '.');
  const ask = (...args: string[]) => run(args, cwd, env);
  const level = env.GATE_LEVEL ? ['--level', env.GATE_LEVEL] : [];
  const [check, diff, types] = [
    await ask('schemas', 'check', ...level, '--json'),
    await ask('schemas', 'diff', '--json'),
    env.GATE_TYPES ? await ask('schemas', 'types', '--out', env.GATE_TYPES, '--check') : undefined,
  ];
  const { ok, isChanged, text } = report({ check, diff, types });
  console.log(text);
  if (env.GITHUB_STEP_SUMMARY) await appendFile(env.GITHUB_STEP_SUMMARY, `${text}\n`);
  if (env.GITHUB_OUTPUT) await appendFile(env.GITHUB_OUTPUT, `ok=${ok}\nchanged=${isChanged}\n`);
  const number = env.GATE_TOKEN ? await pullRequestOf(env) : undefined;
  if (number !== undefined)
    await comment(number, text, env).catch((error) => console.log(`::warning::no comment: ${error.message}`));
  process.exitCode = ok ? 0 : 1;
}

/** One command of the relay. What it prints is the answer, whatever its exit code. */
function run(args: readonly string[], cwd: string, env: Environment): Promise<Answer> {
  const config = env.GATE_CONFIG ? ['--config', env.GATE_CONFIG] : [];
  const { GATE_TOKEN: _, ...rest } = env;
  // NO_COLOR: the text becomes Markdown.
  const child = spawn(process.execPath, [entry, ...config, ...args], {
    cwd,
    env: { ...rest, NO_COLOR: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part) => (stderr += part));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 70, stdout, stderr }));
  });
}

/** @returns undefined outside of a pull request */
async function pullRequestOf({ GITHUB_EVENT_PATH: file }: Environment): Promise<number | undefined> {
  if (!file) return undefined;
  const { pull_request: request } = JSON.parse(await readFile(file, 'utf8'));
  return typeof request?.number === 'number' ? request.number : undefined;
}

/** The same comment at each push, so that a conversation has one. */
async function comment(number: number, text: string, env: Environment): Promise<void> {
  const comments = `/repos/${env.GITHUB_REPOSITORY}/issues/${number}/comments`;
  const before = await ownComment(comments, env);
  const body = `${marker}\n${text}`;
  if (before === undefined) await github('POST', comments, env, { body });
  else await github('PATCH', `/repos/${env.GITHUB_REPOSITORY}/issues/comments/${before}`, env, { body });
}

/** Enough for a conversation of a thousand comments. */
const pagesMax = 10;

async function ownComment(comments: string, env: Environment): Promise<number | undefined> {
  for (let page = 1; page <= pagesMax; page++) {
    const found = (await github('GET', `${comments}?per_page=100&page=${page}`, env)) as {
      readonly id: number;
      readonly body?: string;
    }[];
    // Only a comment of ours begins so; a person may have quoted it.
    const own = found.find(({ body }) => body?.startsWith(marker));
    if (own !== undefined || found.length < 100) return own?.id;
  }
  return undefined;
}

async function github(method: string, path: string, env: Environment, body?: object): Promise<unknown> {
  const answer = await fetch(`${env.GITHUB_API_URL ?? 'https://api.github.com'}${path}`, {
    method,
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${env.GATE_TOKEN}`,
      'x-github-api-version': '2022-11-28',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  });
  if (!answer.ok) throw new Error(`GitHub answers ${answer.status} to ${method} ${path.split('?')[0]}`);
  return answer.json();
}

await main(process.env);
