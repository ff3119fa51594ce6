/** The payload beside its schema, with the failing path marked in both; and editing it. */
import { Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { tokensOfPath } from '../../../../relay/operations/dead-letters/letter-path.ts';
import { api, ask, faultOf } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { sentence } from '../../data/sentence.ts';
import { Act } from '../../parts/act.tsx';
import { Badge, Button, Card, Empty, Failure, Waiting } from '../../parts/basics.tsx';
import { JsonEditor } from '../../parts/json-editor.tsx';
import { compact, isJson, pretty } from '../../parts/json-text.ts';
import { later } from '../../parts/later.tsx';
import { schemaPlace } from '../../parts/schema-path.ts';
import { Words } from '../../parts/words.tsx';
import type { Shown } from './letter.tsx';

const Diff = later(() => import('../../parts/diff.tsx'));

type Verdict = { ok: boolean; code: string | null; path: string | null; message: string };

type PayloadProps = {
  shown: Shown;
  isEditing: boolean;
  onEnd: () => void;
  onStored: () => void;
};

/** What was typed and not stored, by position, and what it began with: a person who looks elsewhere finds both again. */
const drafts = new Map<string, { readonly text: string; readonly begun: Shown }>();

export function PayloadCard({ shown: latest, isEditing, onEnd, onStored }: PayloadProps) {
  // What the person began with: an edit by somebody else neither replaces the text nor goes unnoticed.
  const draft = drafts.get(latest.letter.position);
  const begun = useRef(draft?.begun ?? latest);
  if (!isEditing && draft === undefined) begun.current = latest;
  const shown = begun.current;
  const { letter, payload, payloadView, schema, schemaFailure, wouldPublish } = shown;
  const laidOut = useMemo(() => pretty(payload ?? 'null'), [payload]);
  const { position } = letter;
  const [text, setText] = useState(draft?.text ?? laidOut);
  const type = (next: string) => {
    drafts.set(position, { text: next, begun: shown });
    setText(next);
  };
  const leave = (how: () => void) => () => {
    drafts.delete(position);
    begun.current = latest;
    setText(laidOut);
    how();
  };
  useEffect(() => {
    if (!drafts.has(position)) setText(laidOut);
  }, [laidOut, position]);
  const verdict = useVerdict(letter.position, text, isEditing && text !== laidOut);
  const now: Verdict | null = isEditing && verdict.verdict !== null ? verdict.verdict : wouldPublish;
  const isWrong = now === null ? letter.status === 'open' : !now.ok;
  const path = !isWrong ? null : now === null ? letter.path : now.path;
  const message = now?.message ?? letter.message;
  const tokens = useMemo(() => tokensOfPath(path), [path]);
  const mark = tokens === undefined ? null : { at: tokens, message };
  return (
    <Card
      title={isEditing ? 'Edit the payload' : 'Payload and schema'}
      aside={
        path !== null && (
          <span className="quiet">
            marked: <code>{path}</code>
          </span>
        )
      }
    >
      <div className="beside">
        <div>
          <h3>Payload</h3>
          <p className="quiet">
            {payloadView === 'off' || payload === null
              ? 'not shown'
              : payloadView === 'masked'
                ? 'structure, types and lengths; the values stay on the server'
                : counted(payload.length, 'character')}
          </p>
          {payloadView === 'off' ? (
            <Empty title="Payloads are not shown">
              The console is configured not to show them to you. A patch can still repair the event.
            </Empty>
          ) : payload === null ? (
            <Empty
              title={
                letter.leftOut?.payload === undefined ? 'The payload is NULL' : 'The payload was left out'
              }
            />
          ) : (
            !isEditing && <JsonEditor label="Payload" text={laidOut} mark={mark} />
          )}
          {isEditing && (
            <>
              <JsonEditor
                label="Payload, editable"
                text={text}
                onChange={type}
                mark={mark}
                isInvalid={now?.ok === false}
              />
              <Editing
                {...{ shown, laidOut, text, verdict }}
                isOvertaken={latest.payload !== shown.payload || latest.letter.status !== letter.status}
                onEnd={leave(onEnd)}
                onStored={leave(onStored)}
                onLayOut={() => type(pretty(text))}
              />
            </>
          )}
        </div>
        <SchemaPane
          schema={schema}
          isJson={letter.format === 'json'}
          failure={schemaFailure}
          type={letter.type}
          path={path}
          message={message}
        />
      </div>
    </Card>
  );
}

function SchemaPane({
  schema,
  isJson,
  failure,
  type,
  path,
  message,
}: {
  schema: Shown['schema'];
  /** Of a topic whose values are JSON. */
  isJson: boolean;
  failure: Shown['schemaFailure'];
  type: string | null;
  path: string | null;
  message: string;
}) {
  const text = useMemo(() => pretty(schema?.text ?? ''), [schema]);
  const at = useMemo(() => {
    const tokens = tokensOfPath(path);
    return tokens === undefined || schema === null ? undefined : schemaPlace(schema.text, type, tokens);
  }, [schema, type, path]);
  return (
    <div>
      <h3>Schema</h3>
      <p className="quiet">
        {schema === null
          ? isJson
            ? 'none'
            : 'not known'
          : `${schema.subject}${schema.version === null ? '' : ` version ${schema.version}`} · id ${schema.id}`}
      </p>
      {schema !== null ? (
        <JsonEditor label="Schema" text={text} mark={at === undefined ? null : { at, message }} />
      ) : isJson ? (
        <Empty title="It needs no schema">
          Values of its topic are JSON: the payload is published as it is stored.
        </Empty>
      ) : failure !== null ? (
        <Failure error={faultOf(failure)} />
      ) : (
        <Empty title="The registry has no schema for it">Register it under the subject of the event.</Empty>
      )}
    </div>
  );
}

/** A person pauses for longer than this after a word. */
const pauseMs = 400;

type Judging = { readonly verdict: Verdict | null; readonly isAsking: boolean; readonly fault: unknown };

/** What the relay would do with the text, asked for when the person pauses. Answers to earlier texts do not count. */
function useVerdict(position: string, text: string, isWanted: boolean): Judging {
  const [state, setState] = useState<Judging & { readonly of: string }>({
    of: '',
    verdict: null,
    isAsking: false,
    fault: undefined,
  });
  useEffect(() => {
    if (!isWanted || !isJson(text)) return;
    let isOver = false;
    const timer = setTimeout(() => {
      const json = { payload: compact(text) };
      ask(api['dead-letters'][':position'].try.$post({ param: { position }, json })).then(
        (verdict) => !isOver && setState({ of: text, verdict, isAsking: false, fault: undefined }),
        (fault: unknown) => !isOver && setState({ of: text, verdict: null, isAsking: false, fault }),
      );
    }, pauseMs);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [position, text, isWanted]);
  if (!isWanted) return { verdict: null, isAsking: false, fault: undefined };
  if (!isJson(text))
    return {
      verdict: { ok: false, code: 'PAYLOAD_NOT_JSON', path: null, message: 'this is not JSON' },
      isAsking: false,
      fault: undefined,
    };
  // Until the answer comes, what was wrong before stays marked.
  return state.of === text ? state : { verdict: state.verdict, isAsking: true, fault: undefined };
}

type EditingProps = {
  shown: Shown;
  laidOut: string;
  text: string;
  verdict: Judging;
  /** Somebody else has changed or closed it since the person began. */
  isOvertaken: boolean;
  onEnd: () => void;
  onStored: () => void;
  onLayOut: () => void;
};

function Editing({ shown, laidOut, text, verdict, isOvertaken, onEnd, onStored, onLayOut }: EditingProps) {
  const { position } = shown.letter;
  const isChanged = compact(text) !== compact(laidOut);
  const whyNotStore = !isChanged
    ? 'You have changed nothing.'
    : verdict.isAsking
      ? 'Wait until it is checked.'
      : verdict.verdict?.ok === true
        ? null
        : 'The relay would refuse it.';
  return (
    <div className="editing">
      <p role="status">
        <VerdictLine isChanged={isChanged} {...verdict} />
      </p>
      {isOvertaken && (
        <p role="alert">
          <Badge tone="warn">changed</Badge> Somebody else has changed or closed it since you began. The
          server refuses what you store now: copy your text, cancel, and look at it again.
        </p>
      )}
      {isChanged && (
        <details>
          <summary>What you changed</summary>
          <Suspense fallback={<Waiting />}>
            <Diff before={laidOut} after={text} label="What you changed" />
          </Suspense>
        </details>
      )}
      <div className="buttons">
        <Act
          label="Store"
          kind="primary"
          title="Store the payload"
          why={whyNotStore}
          act={(reason) =>
            ask(
              api['dead-letters'][':position'].fix.$post({
                param: { position },
                json: { payload: compact(text), seen: shown.payload, reason },
              }),
            )
          }
          onDone={(outcome) => {
            if (outcome.stored) onStored();
          }}
          describe={({ stored, message }) => (
            <p>
              {!stored
                ? `Not stored: ${message}.`
                : shown.letter.isOfKeySetAside
                  ? 'Stored. It is published in its place when its topic is resumed.'
                  : shown.letter.isOfParkedKey
                    ? 'Stored. Next: release its key.'
                    : 'Stored. Next: resubmit it.'}
            </p>
          )}
        >
          <p>
            The dead letter keeps this payload, and the audit trail the one before; you can undo it. What you
            did not change keeps its value, numbers to the last digit. Nothing is published yet.
          </p>
        </Act>
        <Button why={isJson(text) ? null : 'It is not JSON.'} onClick={onLayOut}>
          Format
        </Button>
        <Button onClick={onEnd}>Cancel</Button>
        <span className="quiet">{counted(text.length, 'character')}</span>
      </div>
    </div>
  );
}

function VerdictLine({ isChanged, verdict, isAsking, fault }: Judging & { isChanged: boolean }) {
  if (!isChanged) return <Badge tone="quiet">not changed</Badge>;
  if (fault !== undefined)
    return (
      <>
        <Badge tone="warn">not known</Badge> The server could not try it.{' '}
        <Words text={sentence((fault as Error).message)} />
      </>
    );
  if (isAsking || verdict === null) return <Badge tone="quiet">checking…</Badge>;
  if (verdict.ok)
    return (
      <>
        <Badge tone="good">would be published</Badge> The relay would publish it.
      </>
    );
  return (
    <>
      <Badge tone="bad">would be refused</Badge> <code>{verdict.code}</code> {verdict.message}
      {verdict.path !== null && (
        <>
          {' '}
          at <code>{verdict.path}</code>
        </>
      )}
    </>
  );
}
