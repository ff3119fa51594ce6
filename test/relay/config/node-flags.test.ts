/** Wherever the relay is started from, Node gets the flags it needs. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nodeFlags } from '../../../relay/config/node-flags.ts';

it.each(['bin/outbox-relay.js', 'package.json', 'Dockerfile'])(
  '%s starts Node with the flags of the relay',
  (file) => {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    for (const flag of nodeFlags) expect(text).toContain(flag);
  },
);
