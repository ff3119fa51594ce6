/**
 * Rows that harm a careless reader: sizes, encodings, depth, digits, escapes, names, headers, odd JSON. The same seed
 * makes the same rows. Any writer of an outbox table with text columns can write them.
 */
import type { Random } from '../harness/random.ts';

export const roles = ['id', 'aggregatetype', 'aggregateid', 'type', 'payload', 'headers'] as const;
export type Role = (typeof roles)[number];

/** A value, or SQL that makes a large one in the server. */
export type Cell = string | null | { readonly sql: string };

export type HostileRow = { readonly kind: string; readonly columns: Readonly<Partial<Record<Role, Cell>>> };

/** Where a row is published if nothing is wrong with it. */
export type Names = { readonly topic: string; readonly type: string };

type Make = (random: Random, names: Names) => HostileRow['columns'];

const item = (note: string) => `{"key":"k","seq":1,"note":${note}}`;
const itemOf = (seq: string) => `{"key":"k","seq":${seq}}`;
const quoted = (text: string) => JSON.stringify(text);

/**
 * A size that is small, near a limit of Kafka or of the relay, or far beyond; few are large, because each takes time.
 */
function bytes(random: Random): number {
  const [least, most] = random.pick<readonly [number, number]>([
    [1, 1_000],
    [1_000, 100_000],
    [65_000, 67_000],
    [100_000, 990_000],
    [999_000, 1_001_000],
    [1_040_000, 1_060_000],
    [1_000_000, 5_000_000],
    random.chance(0.1) ? [5_000_000, 25_000_000] : [3_990_000, 4_010_000],
  ]);
  return random.integer(least, most);
}

function repeated(unit: string, count: number, before = '', after = ''): Cell {
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  return {
    sql: `${text(before)} || repeat(${text(unit)}, ${Math.max(1, Math.floor(count))}) || ${text(after)}`,
  };
}

/** An item whose note repeats the unit. */
function filled(random: Random, unit: string, before: string, after: string): Cell {
  return repeated(unit, bytes(random) / unit.length, `{"key":"k","seq":1,"note":${before}`, `${after}}`);
}

const texts: readonly string[] = [
  '',
  ' ',
  '\t',
  '\n',
  '\r\n',
  '\u0001',
  '\u001b[2J\u001b]0;title\u0007',
  '\u007f',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\ue000',
  '\u202e',
  'é',
  'e\u0301',
  'ß',
  'İ',
  '💶',
  '👩‍👩‍👧‍👦',
  'null',
  'undefined',
  'NaN',
  'Infinity',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  '%2F%00',
  '%',
  'a/b?c=d#e',
  "'; drop table outbox.event; --",
  '$' + '{jndi:ldap://x}',
  '{aggregatetype}{type}$&$1',
  '\\',
  '\\N',
  '{"a":1}',
  '"',
  ',',
  '..',
  '.',
  '*',
  '_schemas',
  '__consumer_offsets',
  '0',
  '-1',
  '1e400',
  '9007199254740993',
];

const numbers: readonly string[] = [
  '0',
  '-0',
  '-0.0',
  '1.0',
  '1.5',
  '1e2',
  '1E+2',
  '100e-2',
  '1e400',
  '-1e400',
  '1e-400',
  '0e999999999',
  '1e999999999',
  '9007199254740993',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '-9223372036854775809',
  '0.30000000000000004',
  '12345678901234567890.12345678901234567890',
  '01',
  '+1',
  '.5',
  '1.',
  '0x10',
  '1_000',
  'NaN',
  'Infinity',
  '-Infinity',
  '"12"',
  '"NaN"',
  'true',
  'null',
  '[]',
  '{}',
];

const notJson: readonly string[] = [
  '',
  ' ',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '{',
  '{"key":"k","seq":1',
  '{"key":"k","seq":1,}',
  "{'key':'k','seq':1}",
  '{"key":"k" "seq":1}',
  '{"key":"k","seq":1}{}',
  '{"key":"k","seq":1}\u0001',
  '\ufeff{"key":"k","seq":1}',
  '// x\n{"key":"k","seq":1}',
  'undefined',
  'NaN',
  '{"key":"k","seq":1,"note":"\t"}',
  '{"key":"k","seq":1,"note":"\\x"}',
  '{"key":"k","seq":1,"note":"\\u12"}',
  '{"key":"k","key":"l","seq":1,"seq":2}',
  '{"key":"k","seq":1,"__proto__":{"note":"x"}}',
  '{"__proto__":{"key":"k","seq":1}}',
  '{"key":"k","seq":1,"":""}',
  '{"key":"k","seq":1,"constructor":{"prototype":{"x":1}}}',
  ' \n\t{ "key" : "k" , "seq" : 1 } \r\n',
  '{"\\u006bey":"k","seq":1}',
];

const escapes: readonly string[] = [
  '\\u0000',
  '\\ud800',
  '\\udc00',
  '\\udc00\\ud800',
  '\\ud83d\\ude00',
  '\\ue000',
  '\\ue0001',
  '\\uFFFE\\uFFFF',
  '\\\\',
  '\\"',
  '\\/',
  '\\b\\f\\n\\r\\t',
];

const kinds: Readonly<Record<string, Make>> = {
  'a text of some bytes': (random) => ({ payload: filled(random, 'x', '"', '"') }),
  'a text of two bytes a character': (random) => ({ payload: filled(random, 'é', '"', '"') }),
  'a text of quotes': (random) => ({ payload: filled(random, '\\"', '"', '"') }),
  'a text of backslashes': (random) => ({ payload: filled(random, '\\\\', '"', '"') }),
  'digits in a text': (random) => ({
    payload: filled(random, random.pick(['0', '01', '1.', '1e1']), '"', '"'),
  }),
  'a number of very many digits': (random) => ({
    payload: filled(random, '7', random.pick(['', '0.', '1e', '-']), ''),
  }),
  'many long numbers': (random) => ({ payload: filled(random, '1234567890123456789,', '[', '1]') }),
  'many small objects': (random) => ({ payload: filled(random, '{},', '[', '1]') }),
  'many small objects and a long number': (random) => ({ payload: filled(random, '{},', '[1e400,', '1]') }),
  'many small arrays': (random) => ({ payload: filled(random, '[],', '[', '1]') }),
  'many numbers': (random) => ({ payload: filled(random, random.pick(['1,', '1.5,', '1e400,']), '[', '1]') }),
  'arrays in arrays': (random) => {
    const depth = Math.floor(bytes(random) / 2);
    return { payload: { sql: `repeat('[', ${depth}) || repeat(']', ${depth})` } };
  },
  'objects in objects': (random) => {
    const depth = Math.floor(bytes(random) / 6);
    return { payload: { sql: `repeat('{"a":', ${depth}) || '1e400' || repeat('}', ${depth})` } };
  },
  'arrays that never end': (random) => ({ payload: repeated('[', bytes(random)) }),
  'white space': (random) => ({ payload: repeated(' ', bytes(random), item('null').slice(0, -1), '}') }),
  'nothing but white space': (random) => ({ payload: repeated(' ', bytes(random)) }),
  'the same name again and again': (random) => ({ payload: filled(random, '"seq":2,', 'null,', '"seq":3') }),
  'odd JSON': (random) => ({ payload: random.pick(notJson) }),
  'an odd number': (random) => ({ payload: itemOf(random.pick(numbers)) }),
  'odd escapes': (random) => {
    const some = Array.from({ length: random.integer(1, 4) }, () => random.pick(escapes)).join('');
    return { payload: random.chance(0.5) ? item(`"${some}"`) : item(`["${some}",1e400]`) };
  },
  'an odd text': (random) => ({ payload: item(quoted(random.pick(texts) + random.pick(texts))) }),
  'text that was cut or changed in one place': (random) => {
    const whole = item(quoted(random.pick(texts)));
    const at = random.integer(0, whole.length);
    const put = random.pick(['', '"', '\\', '{', '}', '[', ',', ':', '1', 'e', '\u0001']);
    return { payload: whole.slice(0, at) + put + whole.slice(at + random.integer(0, 1)) };
  },
  NULLs: (random) => Object.fromEntries(roles.filter(() => random.chance(0.4)).map((role) => [role, null])),
  'an odd id': (random) => ({ id: random.pick(texts) + random.pick(['', `-${random.uuid()}`]) }),
  'a long id': (random) => ({ id: repeated('i', bytes(random), random.uuid()) }),
  'an odd key': (random) => ({ aggregateid: random.pick(texts) }),
  'a long key': (random) => ({ aggregateid: repeated(random.pick(['k', '💶', '\\']), bytes(random) / 4) }),
  'an odd type': (random, { type }) => ({
    type: random.pick([random.pick(texts), type + random.pick(texts)]),
  }),
  'a made-up type': (random) => ({ type: `test.${random.uuid()}` }),
  'a long type': (random) => ({ type: repeated('t', bytes(random)) }),
  'an odd aggregatetype': (random, { topic }) => ({
    aggregatetype: random.pick([random.pick(texts), topic + random.pick(texts.slice(1))]),
  }),
  'a made-up topic': (random) => ({ aggregatetype: `hostile.${random.uuid()}` }),
  'a long aggregatetype': (random) => ({ aggregatetype: repeated('a', bytes(random)) }),
  'odd headers': (random) => ({
    headers: random.pick([
      random.pick(notJson),
      random.pick(texts),
      `{"h":${random.pick(numbers)}}`,
      `{${quoted(random.pick(texts))}:${quoted(random.pick(texts))}}`,
      `{"h":"${random.pick(escapes)}"}`,
      `{"${random.pick(escapes)}":"x"}`,
      `{"schema-version":${random.pick(['"1"', '1', '"0"', '"x"', '99', '1e0', 'null', '[]'])}}`,
      '{"id":"forged","type":"forged","position":"forged","committed-at":"forged"}',
      '{"h":{"a":1}}',
    ]),
  }),
  'large headers': (random) => ({ headers: repeated('x', bytes(random), '{"h":"', '"}') }),
  'headers of digits': (random) => ({ headers: repeated('1', bytes(random), '{"h":"', '"}') }),
  'many headers': (random) => ({
    headers: `{${Array.from({ length: random.integer(1, 3_000) }, (_, index) => `"h${index}":"${index}"`).join()}}`,
  }),
  'everything at once': (random) => ({
    id: `${random.pick(texts)}-${random.uuid()}`,
    aggregateid: random.pick(texts),
    payload: random.pick([...notJson, itemOf(random.pick(numbers)), item(`"${random.pick(escapes)}"`)]),
    headers: random.pick([...notJson, `{"h":${random.pick(numbers)}}`]),
  }),
};

export const kindNames: readonly string[] = Object.keys(kinds);

/** Each kind comes once before any comes again. */
export function* hostileRows(random: Random, names: Names): Generator<HostileRow> {
  for (;;)
    for (const kind of random.shuffled(kindNames)) yield { kind, columns: kinds[kind]!(random, names) };
}
