#!/usr/bin/env node
/** The entry point: runs one command and exits with its exit code. */
import { runProgram } from './commands/program.ts';
import { ignoreNegativeTimeouts } from './connect/kafkajs-warnings.ts';

// `outbox-relay status | head`: the reader has closed the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

ignoreNegativeTimeouts();

/** A server that hangs can keep a socket open after the command has given up on it. */
const lingerMs = 500;

// When Node ends by itself, it takes its signal handlers off first, and the echo of a Ctrl-C that comes then would end the
// process as if nobody had asked it to stop. `exit` leaves them on.
process.once('beforeExit', () => process.exit());

process.exitCode = await runProgram(process.argv.slice(2));
setTimeout(() => process.exit(), lingerMs).unref();
