/** One dead letter: what happened, what it holds beside its schema, who did what, and repairing it. */
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { bytes } from '../../data/format.ts';
import { useMe } from '../../data/me.ts';
import { Act } from '../../parts/act.tsx';
import {
  Ago,
  Badge,
  Button,
  Card,
  Empty,
  FaultText,
  Loading,
  QueryFailure,
  Time,
  type Tone,
} from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard } from '../../parts/job.tsx';
import { JsonEditor, preloadEditor } from '../../parts/json-editor.tsx';
import { pretty } from '../../parts/json-text.ts';
import { useListKeys } from '../../parts/list-keys.ts';
import { Visible } from '../../parts/visible.tsx';
import { pathOf as findPath } from '../find/looking.ts';
import { Actions, DiscardAct, ResubmitAct } from './actions.tsx';
import { adviceOf, isOfPayload, isSameRefusal, refusedAgain } from './advice.ts';
import { useLettersChanged } from './changed.ts';
import { describeJob } from './describe.tsx';
import { lastList } from './last-list.ts';
import { PayloadCard } from './payload.tsx';
import { fixedText, queryOf, type Selected } from './selection.ts';

const read = (position: string) => ask(api['dead-letters'][':position'].$get({ param: { position } }));
export type Shown = Awaited<ReturnType<typeof read>>;

const tones: Readonly<Record<string, Tone>> = {
  open: 'bad',
  parked: 'warn',
  resubmitted: 'good',
  released: 'good',
};

export function LetterPage({ position }: { position: string }) {
  const [query, setQuery] = useSearchParams();
  const shown = useQuery({ queryKey: ['dead-letters', 'one', position], queryFn: () => read(position) });
  // Beside the answer.
  useEffect(preloadEditor, []);
  const isEditing = query.has('edit');
  const list =
    lastList() ?? `/dead-letters/list?${queryOf({ codes: shown.data ? [shown.data.letter.code] : [] })}`;
  const up = shown.data === undefined ? '/dead-letters' : list;
  useListKeys(isEditing ? {} : { up });
  const jobId = query.get('job');
  const onOver = useLettersChanged();
  return (
    <>
      <Heading
        trail={[
          ['Dead letters', '/dead-letters'],
          ...(shown.data === undefined ? [] : [[shown.data.letter.code, list] as const]),
        ]}
        aside={
          shown.data !== undefined && (
            <Badge tone={tones[shown.data.letter.status] ?? 'quiet'}>{shown.data.letter.status}</Badge>
          )
        }
      >
        {shown.data === undefined ? position : <EventName letter={shown.data.letter} />}
      </Heading>
      {shown.data !== undefined && (
        <p className="quiet">
          position <code>{position}</code> ·{' '}
          <Link href={findPath(...nameOf(shown.data.letter))}>Find it in Kafka and in the table</Link>
        </p>
      )}
      {jobId !== null && (
        <JobCard
          id={jobId}
          describe={describeJob((job) => setQuery({ job }), { positions: [position], statuses: ['open'] })}
          onOver={onOver}
          onClose={() => setQuery({})}
        />
      )}
      {shown.isPending && <Loading lines={8} />}
      <QueryFailure of={shown} />
      {shown.data !== undefined && (
        <>
          <What
            shown={shown.data}
            onStarted={(job) => setQuery({ job })}
            onEdit={isEditing && shown.data.isEditable ? undefined : () => setQuery({ edit: '' })}
            onChanged={onOver}
          />
          <PayloadCard
            shown={shown.data}
            isEditing={isEditing && shown.data.isEditable}
            onEnd={() => setQuery({})}
            onStored={() => {
              setQuery({});
              onOver();
            }}
          />
          <Facts shown={shown.data} />
          <Headers shown={shown.data} />
          <Attempts shown={shown.data} />
          <Trail shown={shown.data} />
        </>
      )}
    </>
  );
}

/** By its id, which a resubmitted event keeps. */
const nameOf = ({ eventId, position }: Shown['letter']): ['id' | 'position', string] =>
  eventId === null ? ['position', position] : ['id', eventId];

/** What a person can name to others. */
function EventName({ letter: { eventId, aggregateid, position } }: { letter: Shown['letter'] }) {
  const key = aggregateid === null ? null : <Visible text={aggregateid} max={80} />;
  if (eventId === null) return key === null ? position : <>Event of key {key}</>;
  return (
    <>
      Event <Visible text={eventId} max={80} />
      {key !== null && <span className="quiet"> of key {key}</span>}
    </>
  );
}

type WhatProps = {
  shown: Shown;
  onStarted: (jobId: string) => void;
  /** Undefined while it is edited: what else can be done waits for that. */
  onEdit: (() => void) | undefined;
  onChanged: () => void;
};

function What({ shown, onStarted, onEdit, onChanged }: WhatProps) {
  const { letter, wouldPublish, wouldPublishFailure, isEditable, editableWhy, isBeingReleased, undo } = shown;
  const { position, status, code, message, isOfParkedKey, leftOut } = letter;
  const me = useMe();
  const selected: Selected = { positions: [position], statuses: [status] };
  const about = { selected, total: 1, onStarted };
  const isOpen = status === 'open';
  const keyPath = `/parked-keys/events?${new URLSearchParams({ topic: letter.topic ?? '', key: letter.aggregateid ?? '' })}`;
  return (
    <Card title="What happened">
      <p>
        <code>{code}</code> <Visible text={message} max={2_000} />
        <At path={letter.path} />
      </p>
      {letter.fixedAt !== null && (
        <p>
          <Badge tone="good">{fixedText(letter)}</Badge> Its payload was changed <Ago at={letter.fixedAt} />,
          after it was refused.
        </p>
      )}
      {isOpen && (
        <p role="status">
          {wouldPublish === null ? (
            <>
              <Badge tone="quiet">not known</Badge> Whether it would be published now cannot be decided.{' '}
              {wouldPublishFailure !== null && <FaultText fault={wouldPublishFailure} />}
            </>
          ) : wouldPublish.ok ? (
            <>
              <Badge tone="good">would be published</Badge> The relay would publish it now.{' '}
              {letter.isOfKeySetAside
                ? 'Its topic is set aside: resume the topic, which publishes it in its place.'
                : isOfParkedKey
                  ? 'Its key is parked: release the key.'
                  : 'Resubmit it.'}
            </>
          ) : (
            <>
              <Badge tone="bad">would be refused</Badge> {refusedAgain(letter, wouldPublish)}
              {!isSameRefusal(letter, wouldPublish) && (
                <>
                  {' '}
                  <code>{wouldPublish.code}</code> {wouldPublish.message}
                  <At path={wouldPublish.path} />
                </>
              )}
            </>
          )}
        </p>
      )}
      {isOpen && wouldPublish?.ok !== true && <p className="quiet">{adviceOf(code)}</p>}
      {leftOut !== null && (
        <p>
          <Badge tone="warn">incomplete</Badge> The row was too large
          {leftOut.rowBytes === undefined ? '' : ` (${bytes(leftOut.rowBytes)})`}: the dead letter lacks{' '}
          {Object.keys(leftOut)
            .filter((name) => name !== 'rowBytes')
            .join(', ')}
          .
        </p>
      )}
      {isOfParkedKey && (
        <p>
          <Badge tone="warn">parked key</Badge> Later events of its key wait behind it.{' '}
          {isOpen &&
            (wouldPublish?.ok === true
              ? 'A release publishes what waits for the key in order, this event in its place. '
              : 'While the relay would refuse it, a release stops at it, unless the policy of its topic is dead-letter: then it stays a dead letter, and later events of its key are published. Fix it or discard it first. ')}
          <Link href={keyPath}>What waits for the key</Link>
        </p>
      )}
      {isBeingReleased && (
        <p>
          <Badge tone="accent">being released</Badge> A release of its key is requested; until the relay has
          done it, nothing here can change.
        </p>
      )}
      {(isOpen || status === 'parked') && onEdit !== undefined && (
        <Actions>
          {isOpen && (
            <>
              <Button
                kind={wouldPublish?.ok === true || !isOfPayload(code) ? 'plain' : 'primary'}
                why={isEditable ? null : `${editableWhy ?? 'It cannot be edited'}.`}
                onClick={onEdit}
              >
                Edit the payload
              </Button>
              <Link
                className="button plain"
                href={`/dead-letters/patch?${queryOf(selected)}&field=${encodeURIComponent(letter.path ?? '')}`}
              >
                Patch…
              </Link>
              {isOfParkedKey ? (
                <Link className={`button ${wouldPublish?.ok === true ? 'primary' : 'plain'}`} href={keyPath}>
                  Release its key…
                </Link>
              ) : (
                <ResubmitAct {...about} isNext={wouldPublish?.ok === true} isLinked />
              )}
            </>
          )}
          {undo.possible && (
            <Act
              label="Undo the last fix"
              name="undo"
              title="Undo the last fix"
              act={(reason) =>
                ask(
                  api['dead-letters'][':position'].undo.$post({
                    param: { position },
                    json: { fix: undo.fix, reason },
                  }),
                )
              }
              onDone={onChanged}
            >
              <p>The payload from before the last fix comes back. The audit trail keeps both.</p>
            </Act>
          )}
          <DiscardAct {...about} isLinked why={isBeingReleased ? 'It is being released.' : null} />
        </Actions>
      )}
      {isOpen && !isEditable && editableWhy !== null && (
        <p className="quiet">
          The payload cannot be edited here: {editableWhy}.
          {me?.role === 'operate' && shown.payloadView !== 'full' && ' A patch repairs it unseen.'}
        </p>
      )}
    </Card>
  );
}

const At = ({ path }: { path: string | null }) =>
  path === null ? null : (
    <>
      {' '}
      at <code>{path}</code>
    </>
  );

function Facts({ shown: { letter, schema, createdAt } }: { shown: Shown }) {
  const { eventId, aggregatetype, aggregateid, type, topic, subject, firstSeen, position } = letter;
  const text = (value: string | null) =>
    value === null ? <span className="quiet">none</span> : <Visible text={value} max={1_000} />;
  const facts = [
    ['Event id', text(eventId)],
    ['Key (aggregateid)', text(aggregateid)],
    ['Type', text(type)],
    ['Aggregate type', text(aggregatetype)],
    ['Topic', text(topic)],
    ['Subject', text(subject ?? schema?.subject ?? null)],
    ['Position', <code key="position">{position}</code>],
    ['First seen', <Time key="seen" at={firstSeen} />],
    [
      'created_at of its row',
      isoOf(createdAt) === null ? text(createdAt) : <Time key="created" at={isoOf(createdAt)!} />,
    ],
  ] as const;
  return (
    <Card title="The event">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** Of a time as Postgres writes it; null for what is none, such as `infinity`. */
function isoOf(text: string | null): string | null {
  const ms = Date.parse((text ?? '').replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}

function Headers({ shown: { headers, payloadView } }: { shown: Shown }) {
  if (payloadView === 'off' || headers === null || /^\s*\{\s*\}\s*$/.test(headers)) return null;
  return (
    <Card title="Headers">
      <JsonEditor label="Headers of the event" text={pretty(headers)} />
    </Card>
  );
}

function Attempts({ shown: { failure } }: { shown: Shown }) {
  if (failure === null) return null;
  return (
    <Card title={`Failed ${failure.attempts} times`}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre className="scroll stack" tabIndex={0}>
        {failure.stack}
      </pre>
    </Card>
  );
}

const past: Readonly<Record<string, string>> = {
  fix: 'changed the payload',
  resubmit: 'resubmitted it',
  discard: 'discarded it',
};

function Trail({ shown: { letter, actions, release } }: { shown: Shown }) {
  return (
    <Card title="Audit trail">
      {actions.length === 0 && release === null ? (
        <Empty title="Nobody has acted on it">
          Fixes, resubmissions and discards are listed here, each with the person and the reason.
        </Empty>
      ) : (
        <ol className="reasons">
          <li>
            <Time at={letter.firstSeen} /> became a dead letter
          </li>
          {actions.map(({ actedAt, person, action, note, sessionRole, fromStatus, toStatus }) => (
            <li key={`${actedAt} ${action}`}>
              <Time at={actedAt} /> <b>{person}</b> {past[action] ?? action}
              {fromStatus !== toStatus && ` (${fromStatus} → ${toStatus})`}
              {note !== null && <>: {note}</>}{' '}
              <span className="quiet">with the Postgres role {sessionRole}</span>
            </li>
          ))}
          {release !== null && (
            <>
              <li>
                <Time at={release.requestedAt} /> <b>{release.person}</b> released its key
                {release.note !== null && <>: {release.note}</>}{' '}
                <span className="quiet">with the Postgres role {release.sessionRole}</span>
              </li>
              {release.processedAt !== null && (
                <li>
                  <Time at={release.processedAt} /> the relay published it
                </li>
              )}
            </>
          )}
        </ol>
      )}
    </Card>
  );
}
