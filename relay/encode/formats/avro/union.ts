/**
 * Owns which branch of a union a JSON value takes. The rule, in this order:
 *
 * 1. Natural JSON: the first branch in the order of the schema that accepts the value as it stands, exactly. A number
 *    takes int or long if it is an integer in range, double if a double holds it, float only if a float32 holds it;
 *    so 0.1 in [float, double] is a double. A string takes an enum with that symbol, a logical type that has it as a
 *    form, or string, whichever the schema names first. bytes and fixed come last, because nearly any text could be
 *    their encoding: in [bytes, string] every string is a string. An object takes a record or a map that all of it
 *    fits into, whichever the schema names first.
 * 2. A number that no branch keeps exactly: the first float or double that accepts it rounded.
 * 3. Avro's JSON encoding, `{"<branch>": value}`, the branch being a full name or the name of an unnamed type; it
 *    reaches branches that rule 1 would not choose. An object that fits a record or a map as it stands is that.
 *
 * The order of the schema never decides between two named types of a kind: an object that fits two records, a symbol of
 * two enums, bytes of two fixed are refused as ambiguous. Otherwise a card would silently become a bank account because
 * the schema lists one record before the other. Rule 3 says which one is meant. The other choices keep the value.
 *
 * A default in a schema takes the first branch that accepts it (Avro 1.12; before, it had to be the very first one).
 */
import type { ByteSink } from '../byte-sink.ts';
import { describe, ValueMismatch, within } from '../mismatch.ts';
import {
  type Codec,
  type Form,
  isJsonObject,
  type JsonKind,
  type JsonObject,
  jsonKinds,
  kindOf,
  type TryWrite,
} from './codec.ts';
import { isAccepted } from './nesting.ts';

export interface Branch {
  /** As the JSON encoding of Avro names it. */
  readonly name: string;
  readonly codec: Codec;
  /** Of a type that has a name: the order of the schema does not decide between two of one kind. */
  readonly kind?: NamedKind;
}

export type NamedKind = 'record' | 'enum' | 'fixed';

interface Candidate extends Branch {
  readonly index: number;
}

export function union(branches: readonly Branch[], form: Form): Codec {
  const candidates = branches.map((branch, index) => ({ ...branch, index }));
  const tryWrite = form === 'default' ? inOrder(candidates) : naturalOrWrapped(candidates);
  const others = candidates.filter((candidate) => candidate.name !== 'null');
  const only = others.length === 1 ? others[0] : undefined;
  return {
    expected: branches.map((branch) => branch.codec.expected).join(' or ') || 'nothing (an empty union)',
    takes: jsonKinds,
    tryWrite: form === 'payload' && only && branches.length === 2 ? nullable(only, tryWrite) : tryWrite,
    found: only ? only.codec.found : foundNone,
    isContainer: true,
  };
}

/** Writes one branch and no other; the value may be wrapped in the branch's name. */
export function onlyBranch(branches: readonly Branch[], index: number): TryWrite {
  const branch: Candidate = { ...branches[index]!, index };
  const { name } = branch;
  return (value, sink) => {
    if (!isWrapped(value, name)) return writeBranch(branch, value, sink);
    return tryBranch(branch, value, sink) || writeWrapped(branch, value[name], sink);
  };
}

/** Takes a value only if it is wrapped in the name of its branch. */
export function wrappedBranch(branches: readonly Branch[]): TryWrite {
  const candidates = branches.map((branch, index) => ({ ...branch, index }));
  return (value, sink) => {
    const branch = candidates.find((each) => isWrapped(value, each.name));
    return branch !== undefined && writeWrapped(branch, (value as JsonObject)[branch.name], sink);
  };
}

/** [null, X] and [X, null], nearly every union there is: no search, and no trial unless X might be wrapped. */
function nullable(other: Candidate, general: TryWrite): TryWrite {
  const otherByte = other.index << 1;
  const nullByte = 2 - otherByte;
  const { codec, name } = other;
  return (value, sink) => {
    if (value === null) {
      sink.writeByte(nullByte);
      return true;
    }
    if (isWrapped(value, name)) return general(value, sink);
    const start = sink.position;
    sink.writeByte(otherByte);
    if (codec.tryWrite(value, sink)) return true;
    sink.truncate(start);
    return false;
  };
}

function naturalOrWrapped(candidates: readonly Candidate[]): TryWrite {
  const byKind = Object.fromEntries(jsonKinds.map((kind) => [kind, ranked(candidates, kind)])) as Record<
    JsonKind,
    readonly Candidate[]
  >;
  return (value, sink) => {
    const kind = kindOf(value);
    const fitting = byKind[kind];
    const wrapped = kind === 'object' ? candidates.find((each) => isWrapped(value, each.name)) : undefined;
    // With one branch to choose, its own mismatch says more than "none of them".
    if (fitting.length === 1 && wrapped === undefined) return writeBranch(fitting[0]!, value, sink);
    for (const each of fitting) {
      if (!(each.codec.isExact?.(value) ?? true) || !mayTake(each, value)) continue;
      if (!tryBranch(each, value, sink)) continue;
      refuseAmbiguous(each, fitting, value, sink);
      return true;
    }
    for (const each of fitting) {
      if (each.codec.isExact !== undefined && tryBranch(each, value, sink)) return true;
    }
    return wrapped !== undefined && writeWrapped(wrapped, (value as JsonObject)[wrapped.name], sink);
  };
}

/** Keeps what was written as `taken`, unless another named type of the kind accepts the value too. */
function refuseAmbiguous(
  taken: Candidate,
  fitting: readonly Candidate[],
  value: unknown,
  sink: ByteSink,
): void {
  if (taken.kind === undefined) return;
  const end = sink.position;
  for (const other of fitting) {
    if (other.kind !== taken.kind || other.index <= taken.index) continue;
    if (!mayTake(other, value) || !tryBranch(other, value, sink)) continue;
    sink.truncate(end);
    throw new ValueMismatch(
      `one of them, named as {"${taken.name}": …} or {"${other.name}": …}`,
      `${describe(value)} that fits ${taken.codec.expected} and ${other.codec.expected}`,
    );
  }
}

function mayTake({ codec }: Candidate, value: unknown): boolean {
  return codec.mayTake?.(value) ?? true;
}

function inOrder(candidates: readonly Candidate[]): TryWrite {
  return (value, sink) => candidates.some((each) => tryBranch(each, value, sink));
}

/** Those that take `kind`, bytes last. */
function ranked(candidates: readonly Candidate[], kind: JsonKind): readonly Candidate[] {
  const fitting = candidates.filter((each) => each.codec.takes.includes(kind));
  return [
    ...fitting.filter((each) => !each.codec.isBinaryText),
    ...fitting.filter((each) => each.codec.isBinaryText),
  ];
}

function writeBranch(branch: Candidate, value: unknown, sink: ByteSink): boolean {
  const start = sink.position;
  sink.writeInt(branch.index);
  if (branch.codec.tryWrite(value, sink)) return true;
  sink.truncate(start);
  return false;
}

function tryBranch(branch: Candidate, value: unknown, sink: ByteSink): boolean {
  if (!branch.codec.isContainer) return writeBranch(branch, value, sink);
  const start = sink.position;
  if (isAccepted(() => writeBranch(branch, value, sink))) return true;
  sink.truncate(start);
  return false;
}

function isWrapped(value: unknown, name: string): value is JsonObject {
  if (!isJsonObject(value) || !Object.hasOwn(value, name)) return false;
  return Object.keys(value).length === 1;
}

function writeWrapped(branch: Candidate, value: unknown, sink: ByteSink): boolean {
  try {
    if (writeBranch(branch, value, sink)) return true;
    throw new ValueMismatch(branch.codec.expected, branch.codec.found(value));
  } catch (error) {
    throw within(error, `["${branch.name}"]`);
  }
}

function foundNone(value: unknown): string {
  return `${describe(value)} that fits none of them`;
}
