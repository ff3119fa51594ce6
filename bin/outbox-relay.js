#!/usr/bin/env node
// Plain JavaScript, so that a Node that is too old says so. It runs dist/, or in the repository the sources.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const isSource = existsSync(new URL('../relay/main.ts', import.meta.url));

if (isSource && major < 24) {
  fail('the sources need Node 24: run `npm run outbox-relay -- …`, which uses the one that npm installed');
} else if (major < 20 || (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 13)) {
  fail('outbox-relay needs Node 20.19, 22.13, 24 or newer');
} else {
  const command = calledCommand(process.argv.slice(2));
  // First: a signal that a handler has taken would be lost with this program. Process 1 gets none without a handler, so it
  // does not begin again; its image sets the flag, as the Dockerfile does.
  if (command === 'run' && process.pid !== 1) withFlags();
  heedSignals(command);
  endWithWrapper();
  await import(isSource ? '../relay/main.ts' : '../dist/relay/main.js');
}

function fail(message) {
  console.error(`error: ${message}; this is ${process.version}`);
  process.exit(64);
}

/** The first word that is no option of the program itself. */
function calledCommand(words) {
  let at = 0;
  while (words[at]?.startsWith('-')) at += /^(-c|--config)$/.test(words[at]) ? 2 : 1;
  return words[at];
}

/**
 * Loading a command takes up to a second, and only then it handles signals. Until then they end the process here: nothing
 * has begun that would have to be finished. Without a handler they would do nothing to process 1, which the relay is in its
 * image, and the relay would stream on after its SIGTERM.
 */
function heedSignals(command) {
  const isService = ['run', 'audit', 'console'].includes(command);
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ]) {
    const end = () => {
      // The command has a handler of its own.
      if (process.listenerCount(signal) > 1) return;
      // A service ends with 0, as later; but what it has failed with stays.
      if (isService) process.exit(process.exitCode ?? 0);
      process.off(signal, end);
      process.kill(process.pid, signal);
      // Process 1 has survived that.
      setImmediate(() => process.exit(128 + number));
    };
    process.on(signal, end);
  }
  // The relay reads its settings then, while it runs. Before, it is about to read them, and afterwards it needs none.
  if (command === 'run') process.on('SIGHUP', () => {});
}

/**
 * The service has a flag that Node takes at its start only (relay/config/node-flags.ts). `env -S` would pass it, which
 * Alpine lacks. So this process replaces itself, where Node can; elsewhere the service takes somewhat more memory.
 */
function withFlags() {
  const flag = '--max-semi-space-size=8';
  const given = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  if (process.execve === undefined || /--max[-_]semi[-_]space/.test(given)) return;
  try {
    process.execve(
      process.execPath,
      [process.execPath, flag, ...process.execArgv, ...process.argv.slice(1)],
      // As in the image: see the Dockerfile. Only a process that begins reads it.
      { MALLOC_ARENA_MAX: '2', ...process.env },
    );
  } catch {
    // Windows has no such call.
  }
}

/**
 * npx and npm run start a shell, and below it this process. npm passes SIGTERM to the shell only, which ends, as sh of Debian
 * does, and tells nobody: this process would run on. So it takes the end of its parent for a SIGTERM, if the shell was
 * started for this command alone: then nothing but a signal to it, or to npm, ends it first.
 */
function endWithWrapper() {
  if (!/^\s*(exec\s+)?['"]?outbox-relay['"]?(\s[^&|;<>()`$]*)?$/.test(process.env.npm_lifecycle_script ?? ''))
    return;
  const parent = process.ppid;
  // A moment for a person, and nothing for the process.
  const everyMs = 250;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, everyMs);
  watch.unref();
}
