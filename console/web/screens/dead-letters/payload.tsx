/** The payload beside its schema, with the failing path marked in both; and editing it. */
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { api, ask } from '../../data/api.ts';
import { counted } from '../../data/format.ts';
import { Act } from '../../parts/act.tsx';
import { Badge, Button, Card, Empty, Waiting } from '../../parts/basics.tsx';
import { JsonEditor } from '../../parts/json-editor.tsx';
import { tokensOfPath } from '../../parts/json-path-tokens.ts';
import { compact, isJson, pretty } from '../../parts/json-text.ts';
import { schemaPlace } from '../../parts/schema-path.ts';
import type { Shown } from './letter.tsx';

const Diff = lazy(() => import('../../parts/diff.tsx'));

type Verdict = { ok: boolean; code: string | null; path: string | null; message: string };

type PayloadProps = {
  shown: Shown;
  isEditing: boolean;
  onEnd: () => void;
  onStored: () => void;
};

export function PayloadCard({ shown, isEditing, onEnd, onStored }: PayloadProps) {
  const { letter, payload, payloadView, schema, schemaFailure, wouldPublish } = shown;
  const laidOut = useMemo(() => pretty(payload ?? 'null'), [payload]);
  const [text, setText] = useState(laidOut);
  // Another payload was stored, or the edit begins or ends.
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of them starts over
  useEffect(() => setText(laidOut), [laidOut, isEditing]);
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
            <>
              {payloadView === 'masked' && (
                <p className="quiet">
                  <Badge tone="quiet">masked</Badge> You see structure, types and lengths. The values stay on
                  the server.
                </p>
              )}
              {!isEditing && <JsonEditor label="Payload" text={laidOut} mark={mark} />}
            </>
          )}
          {isEditing && (
            <JsonEditor
              label="Payload, editable"
              text={text}
              onChange={setText}
              mark={mark}
              isInvalid={now?.ok === false}
            />
          )}
        </div>
        <SchemaPane
          schema={schema}
          failure={schemaFailure}
          type={letter.type}
          path={path}
          message={message}
        />
      </div>
      {isEditing && (
        <Editing
          {...{ shown, laidOut, text, verdict, onStored }}
          onEnd={onEnd}
          onLayOut={() => setText(pretty(text))}
        />
      )}
    </Card>
  );
}

function SchemaPane({
  schema,
  failure,
  type,
  path,
  message,
}: {
  schema: Shown['schema'];
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
      <h3>
        Schema{' '}
        {schema !== null && (
          <span className="quiet">
            {schema.subject}
            {schema.version === null ? '' : ` version ${schema.version}`} · id {schema.id}
          </span>
        )}
      </h3>
      {schema !== null ? (
        <JsonEditor label="Schema" text={text} mark={at === undefined ? null : { at, message }} />
      ) : failure !== null ? (
        <Empty title="The schema is not known">{`${failure.message}. ${failure.hint ?? ''}`}</Empty>
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
  onEnd: () => void;
  onStored: () => void;
  onLayOut: () => void;
};

function Editing({ shown, laidOut, text, verdict, onEnd, onStored, onLayOut }: EditingProps) {
  const { position } = shown.letter;
  const isChanged = compact(text) !== compact(laidOut);
  const mayStore = isChanged && verdict.verdict?.ok === true && !verdict.isAsking;
  return (
    <>
      <p role="status" className="verdict-line">
        <VerdictLine isChanged={isChanged} {...verdict} />
      </p>
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
          disabled={!mayStore}
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
            <p>{stored ? 'Stored. Next: resubmit it.' : `Not stored: ${message}.`}</p>
          )}
        >
          <p>
            The dead letter keeps this payload, and the audit trail the one before; you can undo it. Nothing
            is published yet.
          </p>
        </Act>
        <Button disabled={!isJson(text)} onClick={onLayOut}>
          Lay out
        </Button>
        <Button onClick={onEnd}>Cancel</Button>
        <span className="quiet">{counted(text.length, 'character')}</span>
      </div>
    </>
  );
}

function VerdictLine({ isChanged, verdict, isAsking, fault }: Judging & { isChanged: boolean }) {
  if (!isChanged) return <Badge tone="quiet">not changed</Badge>;
  if (fault !== undefined)
    return (
      <>
        <Badge tone="warn">not known</Badge> The server could not try it: {String((fault as Error).message)}
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
    </>
  );
}
