/**
 * Draws docs/explanation/rooms.svg: which room of relay/ imports which, from the import statements themselves. Rooms
 * stand on the diagonal in the order that the linter enforces. A line leaves a room to the right and enters the imported
 * room from above; the dots are where it turns. An import against the order would be a dot below the diagonal, in red.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From the top down: a room imports only rooms that stand below it. */
export const rooms = [
  'main.ts',
  'commands',
  'index.ts',
  'library',
  'operations',
  'relay.ts',
  'stream',
  'replay',
  'recover',
  'audit',
  'upkeep',
  'session',
  'ledger',
  'publish',
  'refusals',
  'encode',
  'capture',
  'observe',
  'connect',
  'config',
  'model',
  'errors.ts',
] as const;

type Import = { readonly from: string; readonly to: string; readonly file: string };

const relayFolder = fileURLToPath(new URL('../relay', import.meta.url));
export const roomsFile = fileURLToPath(new URL('explanation/rooms.svg', import.meta.url));

/** Every import of relay/ that leaves its room. */
export function importsBetweenRooms(): Import[] {
  return globSync('**/*.ts', { cwd: relayFolder })
    .sort()
    .flatMap((file) => {
      const source = readFileSync(join(relayFolder, file), 'utf8');
      return [...source.matchAll(/\b(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)]
        .map(([, target]) => relative('', join(dirname(file), target!)))
        .filter((target) => !target.startsWith('..'))
        .map((target) => ({ from: roomOf(file), to: roomOf(target), file: `${file} imports ${target}` }))
        .filter(({ from, to }) => from !== to);
    });
}

function roomOf(file: string): string {
  return file.split('/')[0]!;
}

const rowHeight = 30;
const columnWidth = 42;
const boxWidth = 92;
const boxHeight = 22;
const margin = 16;
const columnAt = (index: number) => margin + boxWidth - 10 + index * columnWidth;
const rowAt = (index: number) => margin + boxHeight / 2 + index * rowHeight;

/** The drawing. Pure, so that a test can compare it with the file. */
export function drawRooms(imports: readonly Import[]): string {
  const pairs = new Set(imports.map(({ from, to }) => `${from} ${to}`));
  const indexOf = new Map<string, number>(rooms.map((room, index) => [room, index]));
  const edges = [...pairs].map((pair) => {
    const [from, to] = pair.split(' ').map((room) => indexOf.get(room)!) as [number, number];
    return { from, to, isUp: to < from };
  });
  edges.sort((one, other) => one.from - other.from || one.to - other.to);
  const down = edges.filter(({ isUp }) => !isUp);
  const lines = rooms.flatMap((_, index) => {
    const out = down.filter(({ from }) => from === index).map(({ to }) => to);
    const into = down.filter(({ to }) => to === index).map(({ from }) => from);
    const right = columnAt(Math.max(...out));
    const arrow = rowAt(index) - boxHeight / 2;
    return [
      out.length === 0 ? '' : `<path d="M${columnAt(index) + 10} ${rowAt(index)}H${right}"/>`,
      into.length === 0
        ? ''
        : `<path d="M${columnAt(index)} ${rowAt(Math.min(...into))}V${arrow - 2}" marker-end="url(#arrow)"/>`,
    ].filter((line) => line !== '');
  });
  const dots = edges.map(
    ({ from, to, isUp }) =>
      `<circle${isUp ? ' class="up"' : ''} cx="${columnAt(to)}" cy="${rowAt(from)}" r="3"><title>${rooms[from]} imports ${rooms[to]}</title></circle>`,
  );
  const boxes = rooms.map((room, index) => {
    const [x, y] = [columnAt(index) + 10 - boxWidth, rowAt(index)];
    return `<rect x="${x}" y="${y - boxHeight / 2}" width="${boxWidth}" height="${boxHeight}" rx="4"/><text x="${x + boxWidth / 2}" y="${y + 4}">${room}</text>`;
  });
  const notes = ['A dot: the room on its left imports', 'the room below it. Nothing imports upwards.'].map(
    (note, line) =>
      `<text class="note" x="${margin}" y="${rowAt(rooms.length - 1) - 14 + line * 18}">${note}</text>`,
  );
  const [width, height] = [
    columnAt(rooms.length - 1) + 10 + margin,
    rowAt(rooms.length - 1) + boxHeight / 2 + margin,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title" font-family="ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12.5">
  <title id="title">Which room of relay/ imports which</title>
  <style>
    .page { fill: #ffffff; }
    rect { fill: #f6f8fa; stroke: #8c959f; }
    text { fill: #1f2328; text-anchor: middle; }
    .note { fill: #59636e; text-anchor: start; }
    path { fill: none; stroke: #afb8c1; stroke-width: 1.25; }
    circle, .head { fill: #0969da; }
    .up { fill: #cf222e; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; }
      rect { fill: #151b23; stroke: #6e7681; }
      text { fill: #e6edf3; }
      .note { fill: #9198a1; }
      path { stroke: #484f58; }
      circle, .head { fill: #4493f8; }
      .up { fill: #f85149; }
    }
  </style>
  <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8Z" style="stroke:none"/></marker></defs>
  <rect class="page" width="100%" height="100%" style="stroke:none"/>
  ${[...lines.flat(), ...dots, ...boxes, ...notes].join('\n  ')}
</svg>
`;
}
