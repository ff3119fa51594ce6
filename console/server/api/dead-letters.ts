/** Dead letters: their causes, one in detail, and what people do with them. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Config } from '../../../relay/config/config.ts';
import { parsePosition } from '../../../relay/model/position.ts';
import { findFixable, fixAsSeen, tryPayload } from '../../../relay/operations/dead-letters/fix.ts';
import {
  fixDeadLetters,
  type Preview,
  previewFix,
  tryDeadLetters,
} from '../../../relay/operations/dead-letters/fix-many.ts';
import { groupDeadLetters } from '../../../relay/operations/dead-letters/groups.ts';
import { isTestingPatch } from '../../../relay/operations/dead-letters/json-patch.ts';
import { pageOfDeadLetters } from '../../../relay/operations/dead-letters/list.ts';
import { type Learned, oneDeadLetter } from '../../../relay/operations/dead-letters/one.ts';
import { outlookOf } from '../../../relay/operations/dead-letters/outlook.ts';
import { discard, resubmit } from '../../../relay/operations/dead-letters/resubmit-discard.ts';
import type { Selection } from '../../../relay/operations/dead-letters/selection.ts';
import { undoFix } from '../../../relay/operations/dead-letters/undo.ts';
import { undoRun } from '../../../relay/operations/dead-letters/undo-many.ts';
import type { Visitor } from '../access/visitor.ts';
import { type Fault, faultOf } from '../fault.ts';
import { comparedBy, failureShown, presentOf, previewShown, shown } from '../payloads.ts';
import { actorOf, type Env, Refused, type Use } from '../use.ts';
import { reason } from './reason.ts';
import {
  isUnbounded,
  limit,
  position,
  selectionInJson,
  selectionInQuery,
  selectionOf,
  titleOf,
} from './selection.ts';
import { text } from './text.ts';
import { valid } from './valid.ts';

const payload = text(8_000_000);
const patch = z.string().min(1).max(1_000_000);
const named = valid('param', z.object({ position }));
const actionId = z.string().regex(/^\d{1,18}$/, 'is not the number of an entry of the trail');
const fixRun = z.strictObject({
  person: text(200).min(1),
  reason: text(2_000).nullable(),
  from: actionId,
  to: actionId,
});
/** Without a condition it is every open one, which has to be said. */
const chosen = {
  selection: selectionInJson,
  all: z.literal(true).optional(),
};

export function deadLettersApi({ config, jobs }: Pick<Use, 'config' | 'jobs'>) {
  return new Hono<Env>()
    .get('/groups', valid('query', selectionInQuery), async (context) => {
      const selection = selectionOf(context.req.valid('query'));
      return context.json(await groupDeadLetters(config, { statuses: ['open'], ...selection }));
    })
    .get(
      '/',
      valid('query', selectionInQuery.extend({ after: position.optional(), limit })),
      async (context) => {
        const { after, limit, ...given } = context.req.valid('query');
        const from = after === undefined ? {} : { after: parsePosition(after)! };
        const { payloads } = context.get('visitor');
        const chosen = { ...selectionOf(given), ...from };
        const page = await pageOfDeadLetters(config, chosen, limit, presentOf(payloads));
        return context.json({ ...page, payloadView: payloads });
      },
    )
    .get('/outlook', valid('query', selectionInQuery), async (context) => {
      const { payloads } = context.get('visitor');
      const selection: Selection = { statuses: ['open'], ...selectionOf(context.req.valid('query')) };
      const outlook = await outlookOf(config, selection, presentOf(payloads));
      return context.json({ ...outlook, payloadView: payloads });
    })
    .post(
      '/preview',
      valid(
        'json',
        z.strictObject({ selection: selectionInJson, patch, limit: limit.pipe(z.number().max(50)) }),
      ),
      async (context) => {
        const { patch, selection, limit } = context.req.valid('json');
        const visitor = patcherOf(context, patch);
        const preview = await previewFix({
          config,
          selection: selectionOf(selection),
          patch,
          limit,
          present: comparedBy(visitor.payloads),
        });
        return context.json(previewShown(visitor.payloads, preview) satisfies Preview);
      },
    )
    .post(
      '/jobs/try',
      valid('json', z.strictObject({ selection: selectionInJson, patch: patch.optional() })),
      (context) => {
        const { patch, ...given } = context.req.valid('json');
        if (patch !== undefined) patcherOf(context, patch);
        const selection = selectionOf(given.selection);
        const present = comparedBy(context.get('visitor').payloads);
        return context.json({
          jobId: jobs.start(
            'try-letters',
            `Try ${titleOf(selection)}`,
            context.get('visitor'),
            ({ signal, onProgress }) =>
              tryDeadLetters({
                config,
                selection,
                signal,
                present,
                ...(patch === undefined ? {} : { patch }),
                onProgress: (done, total) => onProgress({ done, total, phase: 'trying' }),
              }),
          ),
        });
      },
    )
    .post('/jobs/patch', valid('json', z.strictObject({ ...chosen, patch, reason })), (context) => {
      const { patch, reason, ...given } = context.req.valid('json');
      const actor = actorOf(context, reason);
      const visitor = patcherOf(context, patch);
      const selection = boundedSelection(given);
      return context.json({
        jobId: jobs.start('patch-letters', `Fix ${titleOf(selection)}`, visitor, ({ signal, onProgress }) =>
          fixDeadLetters({
            config,
            selection,
            patch,
            actor,
            signal,
            onProgress: (done, total) => onProgress({ done, total, phase: 'fixing' }),
          }),
        ),
      });
    })
    .post('/jobs/resubmit', valid('json', z.strictObject({ ...chosen, reason })), (context) => {
      const { reason, ...given } = context.req.valid('json');
      const actor = actorOf(context, reason);
      const selection: Selection = { ...boundedSelection(given), statuses: ['open'] };
      return context.json({
        jobId: jobs.start(
          'resubmit-letters',
          `Resubmit ${titleOf(selection)}`,
          context.get('visitor'),
          ({ signal, onProgress }) =>
            resubmit({
              config,
              selection,
              actor,
              onProgress: (done, total) => {
                // One transaction: a cancelled one resubmits nothing.
                signal.throwIfAborted();
                onProgress({ done, total, phase: 'resubmitting' });
              },
            }),
        ),
      });
    })
    .post('/jobs/discard', valid('json', z.strictObject({ ...chosen, reason })), (context) => {
      const { reason, ...given } = context.req.valid('json');
      const actor = { ...actorOf(context, reason), reason };
      const selection = boundedSelection(given);
      return context.json({
        jobId: jobs.start(
          'discard-letters',
          `Discard ${titleOf(selection)}`,
          context.get('visitor'),
          ({ signal, onProgress }) =>
            discard({
              config,
              selection,
              actor,
              onProgress: (done, total) => {
                signal.throwIfAborted();
                onProgress({ done, total, phase: 'discarding' });
              },
            }),
        ),
      });
    })
    .post('/jobs/undo', valid('json', z.strictObject({ run: fixRun, reason })), (context) => {
      const { run, reason } = context.req.valid('json');
      const actor = actorOf(context, reason);
      return context.json({
        jobId: jobs.start(
          'undo-letters',
          `Undo what ${run.person} fixed`,
          context.get('visitor'),
          ({ signal, onProgress }) =>
            undoRun(config, run, actor, {
              signal,
              onProgress: (done, total) => onProgress({ done, total, phase: 'undoing' }),
            }),
        ),
      });
    })
    .get('/:position', named, async (context) =>
      context.json(await shownLetter(config, context.get('visitor'), context.req.valid('param').position)),
    )
    .post('/:position/try', named, valid('json', z.strictObject({ payload })), async (context) => {
      const fixable = await findFixable(config, context.req.valid('param').position);
      return context.json(verdictShown(await tryPayload(config, fixable, context.req.valid('json').payload)));
    })
    .post(
      '/:position/fix',
      named,
      valid('json', z.strictObject({ payload, seen: payload.nullable(), reason })),
      async (context) => {
        const { payload, seen, reason } = context.req.valid('json');
        const actor = actorOf(context, reason);
        if (context.get('visitor').payloads !== 'full')
          throw new Refused(
            403,
            'PAYLOADS_MASKED',
            'payloads are masked for you, so you cannot edit one (console.operatePayloads must be full); a patch changes it unseen',
          );
        const { position } = context.req.valid('param');
        const outcome = await fixAsSeen({ config, position, seen, payload, actor });
        if (outcome.isConflict) throw conflict(outcome.message);
        return context.json(outcome);
      },
    )
    .post(
      '/:position/undo',
      named,
      valid('json', z.strictObject({ fix: actionId, reason })),
      async (context) => {
        const { fix, reason } = context.req.valid('json');
        const actor = actorOf(context, reason);
        const outcome = await undoFix(config, context.req.valid('param').position, fix, actor);
        if (!outcome.isUndone) throw conflict(outcome.message);
        return context.json(outcome);
      },
    );
}

/** Somebody else was faster. */
const conflict = (message: string) => new Refused(409, 'CHANGED_BY_SOMEBODY', message);

/** @throws Refused for who may not act; for a `test` operation, which finds out values, where payloads are masked */
function patcherOf(context: Context<Env>, patch: string): Visitor {
  const visitor = context.get('visitor');
  actorOf(context, '');
  if (visitor.payloads !== 'full' && isTestingPatch(patch))
    throw new Refused(
      403,
      'PAYLOADS_MASKED',
      'payloads are masked for you, so a patch may not test what they hold',
    );
  return visitor;
}

type Chosen = { readonly selection: z.output<typeof selectionInJson>; readonly all?: true | undefined };

/** @throws Refused where every one is chosen without saying so */
function boundedSelection({ selection: given, all }: Chosen): Selection {
  const selection: Selection = { statuses: ['open'], ...selectionOf(given) };
  if (isUnbounded(selection) && all !== true)
    throw new Refused(409, 'SELECTION_UNBOUNDED', 'choose dead letters, or say `all` for every one');
  return selection;
}

export type ShownVerdict = {
  readonly ok: boolean;
  readonly code: string | null;
  readonly path: string | null;
  readonly message: string;
};

function verdictShown(verdict: Awaited<ReturnType<typeof tryPayload>>): ShownVerdict {
  return verdict === undefined
    ? { ok: true, code: null, path: null, message: 'the relay would publish it' }
    : { ok: false, ...verdict };
}

const learnedOf = <Value>(learned: Learned<Value>): { value: Value | undefined; failure: Fault | null } =>
  'value' in learned
    ? { value: learned.value, failure: null }
    : { value: undefined, failure: faultOf(learned.failure) };

async function shownLetter(config: Config, visitor: Visitor, position: string) {
  const view = visitor.payloads;
  const one = await oneDeadLetter(config, position);
  const { content, failure, actions, release, schema, verdict, isBeingReleased, fixedWhy, undo, ...letter } =
    one;
  const learnedSchema = learnedOf(schema);
  const judged = learnedOf(verdict);
  const editableWhy =
    visitor.role !== 'operate'
      ? 'you may look, and not act'
      : view !== 'full'
        ? `payloads are ${view === 'off' ? 'not shown' : 'masked'} for you: editing needs console.operatePayloads to be full`
        : fixedWhy;
  return {
    letter,
    payloadView: view,
    payload: shown(view, content.payload),
    headers: shown(view, content.headers),
    /** Of the event's row, as Postgres prints it. */
    createdAt: content.createdAt,
    schema: learnedSchema.value ?? null,
    /** Why the registry does not say. */
    schemaFailure: learnedSchema.failure,
    failure: failureShown(view, failure),
    actions,
    release,
    /** null where it cannot be decided now. */
    wouldPublish: judged.failure === null ? verdictShown(judged.value) : null,
    wouldPublishFailure: judged.failure,
    isBeingReleased,
    isEditable: editableWhy === null,
    editableWhy,
    undo: undo.isPossible
      ? { possible: true as const, fix: undo.fix, why: null }
      : { possible: false as const, fix: null, why: undo.why },
  };
}
