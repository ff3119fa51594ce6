#!/usr/bin/env -S node --max-semi-space-size=8
// Plain JavaScript, so that a Node that cannot run TypeScript hands over to the Node 24 that npm installed, or says so.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  await import('../relay/main.ts');
} else {
  handOver();
}

function handOver() {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    console.error(`error: outbox-relay needs Node ${neededMajor} or newer; this is ${process.version}`);
    process.exit(64);
  }
  const main = fileURLToPath(new URL('../relay/main.ts', import.meta.url));
  const child = spawn(node, ['--max-semi-space-size=8', main, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to both; a supervisor knows only this process.
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGHUP', () => child.kill('SIGHUP'));
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 70 : 128)));
}
