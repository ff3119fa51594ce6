/**
 * The registry is down, answers wrongly, or changes a schema. Each time the relay needs a schema that it has not seen.
 */
import { randomUUID } from 'node:crypto';
import { itemSchema } from '../../harness/item-schema.ts';
import type { RegistryMood } from '../../harness/registry-gate.ts';
import type { Arena, Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';

const moods: readonly { mood: RegistryMood; name: string; about: string; isShort?: boolean }[] = [
  { mood: 'down', name: 'down', about: 'every connection is reset' },
  { mood: 'error', name: 'answers 500', about: 'every request is answered with status 500' },
  { mood: 'slow', name: 'slow', about: 'every answer takes 3 s, three times what the relay waits' },
  { mood: 'silent', name: 'silent', about: 'requests are accepted and never answered' },
  {
    mood: 'html',
    name: 'answers with a page',
    about: 'status 200 and HTML, as from a captive portal or a misconfigured proxy',
    isShort: true,
  },
];

export const registryFaults: readonly Fault[] = [
  ...moods.map(
    ({ mood, name, about, isShort = false }): Fault => ({
      name,
      class: 'registry',
      about: `${about}, while events of a new type are written; none may become a dead letter`,
      expect: 'recovers',
      isShort,
      async inject(arena) {
        const { servers, load, pause } = arena;
        const type = await newType(arena);
        const { registry } = servers.network;
        registry.disturbed = 0;
        registry.mood = mood;
        await load.commit([load.event('typed', { type }), load.event('typed')]);
        await waitFor(() => registry.disturbed > 0, 'the relay to ask the registry', 20_000);
        await pause(1_500);
        registry.mood = 'well';
      },
    }),
  ),
  {
    name: 'schema replaced by an incompatible one',
    class: 'registry',
    about:
      'a new version requires a field that no event has: events become dead letters until the old version is back',
    expect: 'recovers',
    mayDeadLetter: true,
    world: {},
    async inject(arena) {
      const { load, pause, registerSchema } = arena;
      const type = await newType(arena);
      await load.commit([load.event('replaced', { type })]);
      const schema = schemaOf(type);
      const extra = { name: 'required', type: 'string' };
      await registerSchema(type, { ...schema, fields: [...schema.fields, extra] });
      await pause(1_200); // longer than the relay keeps the version before
      for (let n = 0; n < 20; n++) await load.commit([load.event('replaced', { type })]);
      await pause(300);
      await registerSchema(type, { ...schema, doc: 'the old one again' });
      await pause(1_200);
      await load.commit([load.event('replaced', { type })]);
    },
  },
];

async function newType({ registerSchema }: Arena): Promise<string> {
  const type = `test.Moved${randomUUID().slice(0, 8)}`;
  await registerSchema(type, schemaOf(type));
  return type;
}

function schemaOf(type: string) {
  return { ...itemSchema, name: type.split('.')[1] ?? type };
}
