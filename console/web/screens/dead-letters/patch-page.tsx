/** One patch for many dead letters: written in a form or as text, previewed, tried on all, then stored. */
import { useMutation } from '@tanstack/react-query';
import { Suspense, useCallback, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import type { Trial } from '../../../../relay/operations/dead-letters/fix-many.ts';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { Act } from '../../parts/act.tsx';
import { Badge, Button, Card, Empty, Failure, Loading, type Tone, Waiting } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard, type JobView } from '../../parts/job.tsx';
import { later } from '../../parts/later.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { examplePatch, isSamePatch, patchFault, type Step, writePatch } from '../../parts/patch.ts';
import { Visible } from '../../parts/visible.tsx';
import { visibleText } from '../../parts/visible-text.ts';
import { chosen } from './actions.tsx';
import { describeJob } from './describe.tsx';
import { StepForm } from './patch-steps.tsx';
import { SameValues, warnedOf } from './same-values.tsx';
import { conditionsOf, queryOf, type Selected, selectionFrom } from './selection.ts';

const Diff = later(() => import('../../parts/diff.tsx'));

const previewLetters = 5;

const preview = (selection: Selected, patch: string) =>
  ask(api['dead-letters'].preview.$post({ json: { selection, patch, limit: previewLetters } }));
type Preview = Awaited<ReturnType<typeof preview>>;

export function PatchPage() {
  const [query] = useSearchParams();
  const [, navigate] = useLocation();
  const selected: Selected = { ...selectionFrom(query), statuses: ['open'] };
  const path = selected.paths?.[0] ?? query.get('field') ?? undefined;
  const one = selected.positions?.length === 1 ? selected.positions[0]! : null;
  const list = `/dead-letters/list?${queryOf(selected)}`;
  useListKeys({ up: one === null ? list : `/dead-letters/${one}` });
  const [steps, setSteps] = useState<readonly Step[]>([
    { kind: 'set', path: fieldOf(path), as: 'text', value: '' },
  ]);
  /** null while the form writes it. */
  const [typed, setTyped] = useState<string | null>(null);
  const example = examplePatch(fieldOf(path));
  const [isFormEdited, setIsFormEdited] = useState(false);
  const [trialId, setTrialId] = useState<string | null>(null);
  const written = writePatch(steps);
  const patch = typed ?? ('patch' in written ? written.patch : '');
  const fault = typed === null ? ('fault' in written ? written.fault : undefined) : patchFault(typed);
  const whyNot = fault === undefined ? null : `${fault}.`;
  const shown = useMutation({ mutationFn: () => preview(selected, patch) });
  const [trialResult, setTrialResult] = useState<Trial | null>(null);
  const onTried = useCallback((job: JobView) => {
    if (job.state === 'done') setTrialResult(job.result as Trial | null);
  }, []);
  const trial = useMutation({
    mutationFn: () => ask(api['dead-letters'].jobs.try.$post({ json: { selection: selected, patch } })),
    onSuccess: ({ jobId }) => setTrialId(jobId),
  });
  /** What was shown is of another patch now. */
  const change = () => {
    shown.reset();
    trial.reset();
    setTrialId(null);
    setTrialResult(null);
  };
  const total = shown.data?.total ?? trialResult?.tried;
  const isChecked = total !== undefined;
  // A part of them says little of the others.
  const isKnown =
    trialResult !== null || (shown.data !== undefined && shown.data.shown.length >= shown.data.total);
  const warned = warnedOf(trialResult?.sameValues ?? shown.data?.sameValue.operations ?? []);
  const whyNotEdited =
    typed === null
      ? isFormEdited
        ? null
        : 'Say first what to do with which field.'
      : isSamePatch(typed, example)
        ? 'Edit the example first.'
        : null;
  const whyNotFix =
    whyNot ??
    whyNotEdited ??
    (!isChecked
      ? 'Preview it or try it on all first.'
      : trialResult?.wouldPublish === 0
        ? 'The relay would publish none of them with this patch.'
        : null);
  return (
    <>
      <Heading
        trail={[
          ['Dead letters', '/dead-letters'],
          one === null ? [selected.codes?.[0] ?? 'List', list] : [one, `/dead-letters/${one}`],
        ]}
      >
        Patch
      </Heading>
      <Card title="What it applies to">
        <p>
          {one === null ? 'Every open dead letter' : 'The dead letter'}
          {conditionsOf(selected).map(({ name, label, text }, index) => (
            <span key={name}>
              {index === 0 ? ' with ' : ', '}
              {label} <b>{visibleText(text.slice(0, 200))}</b>
            </span>
          ))}
          . A dead letter keeps the patched payload only if the relay would publish it.
        </p>
      </Card>
      <Card
        title="The patch"
        aside={
          <Button
            onClick={() => {
              setTyped(typed !== null ? null : isFormEdited && patch !== '' ? patch : example);
              change();
            }}
          >
            {typed === null ? 'Write it as text' : 'Use the form'}
          </Button>
        }
      >
        {typed === null ? (
          <StepForm
            steps={steps}
            onChange={(next) => {
              setSteps(next);
              setIsFormEdited(true);
              change();
            }}
            fault={'fault' in written ? written : undefined}
          />
        ) : (
          <label className="field">
            <span>JSON Patch (RFC 6902)</span>
            <textarea
              className="mono"
              rows={10}
              spellCheck={false}
              value={typed}
              aria-invalid={fault !== undefined}
              onChange={({ target }) => {
                setTyped(target.value);
                change();
              }}
            />
            <small>
              Operations: add, replace, remove, move, copy, test, and convert with "to": "number", "text" or
              "boolean". Where an operation fails, also a test that finds another value, the event stays as it
              is. “Use the form” starts over with the form.
            </small>
          </label>
        )}
        {typed === null && fault === undefined && (
          <details>
            <summary>As JSON Patch (RFC 6902)</summary>
            <pre className="scroll patch-text">{patch}</pre>
          </details>
        )}
        {typed !== null && fault !== undefined && (
          <p role="status" className="text-bad">
            {fault}.
          </p>
        )}
        <div className="buttons">
          <Button
            kind={isChecked ? 'plain' : 'primary'}
            disabled={shown.isPending}
            why={whyNot}
            onClick={() => shown.mutate()}
          >
            {shown.isPending ? 'Working…' : 'Preview'}
          </Button>
          <Button
            kind={isChecked && !isKnown ? 'primary' : 'plain'}
            disabled={trial.isPending}
            why={whyNot}
            onClick={() => {
              setTrialResult(null);
              trial.mutate();
            }}
          >
            Try it on all
          </Button>
          <Act
            label="Fix all with it"
            kind={warned.length > 0 ? 'danger' : isKnown ? 'primary' : 'plain'}
            title={total === undefined ? 'Fix' : `Fix ${counted(total, 'dead letter')}`}
            why={whyNotFix}
            act={(reason) =>
              ask(api['dead-letters'].jobs.patch.$post({ json: { ...chosen(selected), patch, reason } }))
            }
            onDone={({ jobId }) =>
              navigate(
                one === null
                  ? `/dead-letters/list?${new URLSearchParams([...queryOf(selected), ['job', jobId]])}`
                  : `/dead-letters/${one}?job=${jobId}`,
              )
            }
          >
            <SameValues warned={warned} />
            {!isKnown && shown.data !== undefined && (
              <p>
                <b>
                  You have seen {count(shown.data.shown.length)} of {count(shown.data.total)}.
                </b>{' '}
                The others may hold other values.
              </p>
            )}
            <p>
              The patch is applied to each of them. Other fields keep their values, numbers to the last digit.
              Payloads that the relay would publish are stored; the others stay as they are, and the result
              says why. The audit trail keeps every earlier payload, and each fix can be undone. Nothing is
              published yet.
            </p>
          </Act>
        </div>
        <SameValues warned={warned} />
        {whyNotFix !== null && whyNot === null && <p className="quiet">To fix them: {whyNotFix}</p>}
        {trial.error !== null && <Failure error={trial.error} />}
      </Card>
      {trialId !== null && (
        <JobCard
          id={trialId}
          describe={describeJob(setTrialId, selected)}
          onOver={onTried}
          onClose={() => setTrialId(null)}
        />
      )}
      {shown.error !== null && <Failure error={shown.error} />}
      {shown.isPending && <Loading />}
      {shown.data !== undefined && <Previews {...shown.data} />}
    </>
  );
}

/** The field that fails, as a start. */
const fieldOf = (path: string | undefined) => (path === undefined ? '' : path.replace(/^\$\.?/, ''));

const outcomes: Readonly<Record<Preview['shown'][number]['outcome'], readonly [Tone, string]>> = {
  publishable: ['good', 'would be published'],
  unchanged: ['quiet', 'not changed'],
  refused: ['bad', 'would not be stored'],
};

function Previews({ total, shown }: Preview) {
  if (total === 0)
    return (
      <Card title="Preview">
        <Empty title="No open dead letter is like that">
          They may have been closed since you chose them.
        </Empty>
      </Card>
    );
  return (
    <Card
      title="Preview"
      aside={
        <span className="quiet">
          the first {count(shown.length)} of {count(total)}
        </span>
      }
    >
      <div role="status" className="job-result">
        {shown.length < total && (
          <p>
            <b>
              {count(shown.length)} of {count(total)} are shown.
            </b>{' '}
            The others may hold other values: “Try it on all” says how many the relay would publish.
          </p>
        )}
        <ul className="previews">
          {shown.map(({ position, key, before, after, outcome, reason }) => {
            const [tone, words] = outcomes[outcome];
            return (
              <li key={position}>
                <p>
                  <Badge tone={tone}>{words}</Badge> <code>{position}</code>{' '}
                  <span className="quiet">{key !== null && <Visible text={key} max={80} />}</span>
                </p>
                {reason !== null && (
                  <p>
                    {reason.code !== null && <code>{reason.code}</code>} {reason.message}
                  </p>
                )}
                {before !== null && after !== null && (
                  <Suspense fallback={<Waiting />}>
                    <Diff before={before} after={after} label={`Changes of ${position}`} />
                  </Suspense>
                )}
              </li>
            );
          })}
        </ul>
      </div>
    </Card>
  );
}
