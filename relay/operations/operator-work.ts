/**
 * What people do with a role that has the rights of `outbox_operator`, and the rights that each thing takes. Pure. The one
 * place of that decision: `check` and the log of the console name what a role lacks by it, docs/guides/security.md shows it,
 * and a test compares it with what migrations/roles.sql grants.
 */
import { ownTable } from '../config/own-table.ts';

/** The outbox table of the settings. */
export const outboxTable = '{outbox}';

/** A right on a table or view; `execute` on a function with the types of its parameters; `usage` of a schema. */
export type Right = {
  readonly right: 'select' | 'insert' | 'execute' | 'usage';
  readonly on: string;
};

export type Work = {
  /** In the infinitive: a person who lacks its rights cannot do it. */
  readonly does: string;
  readonly commands: readonly string[];
  /** Screens of the console. */
  readonly screens: readonly string[];
  readonly needs: readonly Right[];
};

const select = (...tables: readonly string[]): Right[] =>
  tables.map((name) => ({ right: 'select', on: name.includes('{') ? name : `outbox.${name}` }));
const execute = (...functions: readonly string[]): Right[] =>
  functions.map((name) => ({ right: 'execute', on: `outbox.${name}` }));

const ledger = select('dead_letter', 'parked_key', 'key_release', 'progress', 'pause');
const control = select('control', 'pause', 'relay');
const status = [...ledger, ...select('control', 'relay', 'wal_sample', 'audit', 'action')];
const trail = select('dead_letter_action');
const turn = execute('take_turn(text)');
const close = execute('close_dead_letters(text, pg_lsn[], bigint[], text, text, text)');
const fix = execute('fix_dead_letter(text, pg_lsn, bigint, text, text, text, text)');

/** In the order in which the guide shows it. */
export const operatorWork: readonly Work[] = [
  {
    does: 'see what the relays do',
    commands: ['status'],
    screens: ['Now', 'Database'],
    needs: status,
  },
  {
    does: 'find events',
    commands: ['find'],
    screens: ['Find an event'],
    needs: [
      ...status,
      ...trail,
      ...select(outboxTable, 'removal', 'audit_finding', 'replay', 'replay_refusal'),
    ],
  },
  {
    does: 'look at dead letters and parked keys',
    commands: ['dead-letters list', 'dead-letters groups', 'dead-letters show', 'dead-letters try'],
    screens: ['Dead letters', 'Parked keys'],
    needs: [...ledger, ...trail],
  },
  {
    does: 'fix dead letters, and undo that',
    commands: ['dead-letters fix', 'dead-letters undo'],
    screens: ['Dead letters'],
    needs: [...ledger, ...trail, ...turn, ...fix],
  },
  {
    does: 'resubmit dead letters',
    commands: ['dead-letters resubmit'],
    screens: ['Dead letters'],
    needs: [...ledger, ...trail, ...turn, ...close, { right: 'insert', on: outboxTable }],
  },
  {
    does: 'discard dead letters',
    commands: ['dead-letters discard'],
    screens: ['Dead letters'],
    needs: [...ledger, ...trail, ...turn, ...close],
  },
  {
    does: 'purge closed dead letters',
    commands: ['dead-letters purge'],
    screens: [],
    needs: [
      ...ledger,
      ...trail,
      ...execute(
        'purge_old_dead_letters(text, interval, text[])',
        'purge_old_dead_letters_beyond(text, bigint, text[])',
        'record_action(text, text, text, text, text, jsonb)',
      ),
    ],
  },
  {
    does: 'release parked keys',
    commands: ['dead-letters release'],
    screens: ['Parked keys'],
    needs: [...ledger, ...turn, ...execute('request_release(text, text, text, text, text)')],
  },
  {
    does: 'try recent rows with new schemas',
    commands: ['schemas test'],
    screens: ['Schemas'],
    needs: select(outboxTable),
  },
  {
    does: 'see what the standing audit found',
    commands: ['audit --report'],
    screens: ['Audit'],
    needs: select('audit', 'audit_finding'),
  },
  {
    does: 'verify: compare the table with the topics',
    commands: ['verify'],
    screens: ['Audit'],
    needs: [...select(outboxTable, 'dead_letter', 'progress', 'removal', 'replay')],
  },
  {
    does: 'preview cleanup',
    commands: ['cleanup --dry-run'],
    screens: ['Database'],
    needs: [
      ...select('progress', 'audit'),
      ...execute(
        'judge_partition(text, bigint, bigint, timestamptz, boolean, boolean)',
        // Of an outbox table of your own, these judge with the rights of the caller.
        'judge_rows(regclass, name, name, bigint, bigint, timestamptz, boolean, boolean)',
        'judging_query(regclass, name, name)',
        'slot_proofs()',
        'covered_by(outbox.slot_proof[])',
        'streamed_by(outbox.slot_proof[])',
        'attached_at(oid)',
        'audit_proofs(oid)',
        'verified_by(outbox.audit_proof[])',
        'compared_xids(outbox.audit_proof[])',
        'is_by_xid(outbox.audit_proof[])',
        'is_left_out(bigint, timestamptz, bigint, outbox.audit_proof[])',
        'came_on_stream(bigint, timestamptz, boolean, outbox.slot_proof[])',
      ),
    ],
  },
  {
    does: 'pause, resume and limit the relay',
    commands: ['pause', 'resume', 'rate-limit'],
    screens: ['Settings', 'Topics and keys'],
    needs: [
      ...control,
      ...execute(
        'pause(text, text, text, bigint, text, text)',
        'resume(text, text, text, text)',
        'limit_rate(text, bigint, bigint, text, text)',
      ),
    ],
  },
  {
    does: 'see who did what',
    commands: [],
    screens: ['Settings'],
    needs: select('action', 'trail', 'dead_letter_action', 'key_release'),
  },
  {
    does: 'see what was replayed',
    commands: ['replay list', 'replay show'],
    screens: [],
    needs: select('replay', 'replay_refusal', 'action'),
  },
];

/** What only the role of the relay, or the owner, may do; each with why. */
export const notForOperators: readonly { readonly commands: readonly string[]; readonly why: string }[] = [
  { commands: ['run'], why: 'it takes the slot, and needs REPLICATION' },
  { commands: ['recover', 'adopt'], why: 'they decide what counts as published, and need REPLICATION' },
  { commands: ['audit'], why: 'it writes how far it came; `verify` compares the same and writes nothing' },
  { commands: ['cleanup'], why: 'it removes rows; `--dry-run` does not' },
  { commands: ['replay'], why: 'it publishes events a second time' },
  { commands: ['migrate'], why: 'it changes the schema `outbox`; run it as the owner' },
];

/**
 * Whether people do it with the rights of `outbox_operator`.
 * @param command as in `dead-letters list`
 * @param flags its options that are set, as in `--dry-run`
 */
export function isForOperators(command: string, flags: ReadonlySet<string>): boolean {
  const all = operatorWork.flatMap(({ commands }) => commands);
  return all.some((each) => {
    const [name, flag] = each.split(' --');
    return name === command && (flag === undefined || flags.has(`--${flag}`));
  });
}

/** All of them, each once, with the schemas first. @param table `schema.table`, of the settings */
export function rightsOfOperators(table: string = ownTable): Right[] {
  const all = operatorWork.flatMap(({ needs }) => needs.map((right) => onTable(right, table)));
  const schemas = [...new Set(all.map(({ on }) => schemaOf(on)))];
  const usage = schemas.map((on): Right => ({ right: 'usage', on }));
  return [...new Map([...usage, ...all].map((each) => [rightText(each), each])).values()];
}

const schemaOf = (on: string): string => on.slice(0, on.indexOf('.'));

export const onTable = ({ right, on }: Right, table: string): Right => ({
  right,
  on: on === outboxTable ? table : on,
});

/** As people say it. */
export const rightText = ({ right, on }: Right): string =>
  right === 'usage' ? `usage on schema ${on}` : `${right} on ${on}`;

/** @param role as an SQL identifier */
export const grantOf = ({ right, on }: Right, role: string): string =>
  `GRANT ${right.toUpperCase()} ON ${objectOf({ right, on })} TO ${role};`;

function objectOf({ right, on }: Right): string {
  if (right === 'execute') return `FUNCTION ${on}`;
  return right === 'usage' ? `SCHEMA ${identifier(on)}` : on.split('.').map(identifier).join('.');
}

/** Quoted only where it has to be. */
export const identifier = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** What somebody who lacks these rights cannot do. */
export function workWithout(missing: readonly Right[], table: string = ownTable): string[] {
  const lacking = new Set(missing.map(rightText));
  return operatorWork
    .filter(({ needs }) =>
      needs.some((right) => {
        const own = onTable(right, table);
        return lacking.has(rightText(own)) || lacking.has(`usage on schema ${schemaOf(own.on)}`);
      }),
    )
    .map(({ does }) => does);
}
