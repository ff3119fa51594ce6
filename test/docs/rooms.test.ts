import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { drawRooms, importsBetweenRooms, rooms, roomsFile } from '../../docs/rooms.ts';

const root = join(import.meta.dirname, '../..');
const imports = importsBetweenRooms();

test('every file of relay/ is in a room, and every room exists', () => {
  expect(readdirSync(join(root, 'relay')).sort()).toEqual([...rooms].sort());
});

test('no import points up', () => {
  const rank = (room: string) => rooms.indexOf(room as (typeof rooms)[number]);
  expect(imports.filter(({ from, to }) => rank(from) >= rank(to)).map(({ file }) => file)).toEqual([]);
});

test('the drawing is that of the imports: npm run docs brings it up to date', async () => {
  expect(imports.length).toBeGreaterThan(100);
  expect(await readFile(roomsFile, 'utf8')).toBe(drawRooms(imports));
});

test('an import that points up would show below the diagonal, in red', () => {
  const up = { from: 'model', to: 'stream', file: 'model/position.ts imports stream/streaming.ts' };
  expect(drawRooms([...imports, up])).toContain('<title>model imports stream</title>');
  expect(drawRooms([...imports, up]).match(/class="up"/g)).toHaveLength(1);
  expect(drawRooms(imports)).not.toContain('class="up"');
});

describe('the linter', async () => {
  const { overrides } = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8')) as {
    overrides: { includes: string[]; linter: unknown }[];
  };
  const below = rooms.filter((room) => room !== 'main.ts' && room !== 'errors.ts');

  test.each(below)('keeps %s from importing what stands above it', (room) => {
    const include = room.endsWith('.ts') ? `relay/${room}` : `relay/${room}/**`;
    const rules = overrides.find(({ includes }) => includes.includes(include));
    const above = rooms.slice(0, rooms.indexOf(room));
    for (const other of above)
      expect(JSON.stringify(rules)).toContain(other.endsWith('.ts') ? `"**/${other}"` : `"**/${other}/**"`);
  });
});

test.each(['CONTRIBUTING.md', 'docs/explanation/architecture.md'])(
  '%s lists every room, in order',
  async (page) => {
    const text = await readFile(join(root, page), 'utf8');
    const places = rooms
      .filter((room) => !room.endsWith('.ts'))
      .map((room) => text.search(new RegExp(`^\\| .*\`(?:relay/)?${room}/\``, 'm')));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  },
);
