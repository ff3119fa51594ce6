/** Dead letters of a selection, page by page, and what can be done with all or some of them. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { count, counted } from '../../data/format.ts';
import { Badge, Empty, Loading, QueryFailure, Scroll, Time } from '../../parts/basics.tsx';
import { FilterBar, type FilterField } from '../../parts/filter-bar.tsx';
import { Heading } from '../../parts/heading.tsx';
import { JobCard } from '../../parts/job.tsx';
import { preloadEditor } from '../../parts/json-editor.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { useOpening } from '../../parts/opening.ts';
import { Pager } from '../../parts/pager.tsx';
import { Visible } from '../../parts/visible.tsx';
import { Actions, DiscardAct, ResubmitAct } from './actions.tsx';
import { adviceOf } from './advice.ts';
import { useLettersChanged } from './changed.ts';
import { describeJob } from './describe.tsx';
import { expectedLines } from './expected.ts';
import { StatusTabs } from './groups.tsx';
import { rememberList } from './last-list.ts';
import { areAllFixed, OutlookLines, useOutlook } from './outlook.tsx';
import {
  type ConditionName,
  conditionsOf,
  fixedText,
  parkedKeysPath,
  queryOf,
  type Selected,
  selectionFrom,
  without,
} from './selection.ts';
import { TryNow } from './try-now.tsx';

const pageLetters = 50;
const parkedWhy = 'All of them belong to parked keys: release the keys, which publishes them in order.';

const read = async (selected: Selected, after: string | null) => {
  const query = { ...selected, limit: String(pageLetters), ...(after !== null && { after }) };
  return { ...(await ask(api['dead-letters'].$get({ query }))), after };
};
type Letters = Awaited<ReturnType<typeof read>>['letters'];

const fields: readonly [FilterField<ConditionName>, ...FilterField<ConditionName>[]] = [
  { name: 'keys', label: 'Key', placeholder: 'whole key' },
  { name: 'codes', label: 'Code', placeholder: 'PAYLOAD_INVALID' },
  { name: 'types', label: 'Type', placeholder: 'shop.order.OrderPlaced' },
  { name: 'topics', label: 'Topic', placeholder: 'outbox.event.order' },
  { name: 'paths', label: 'Path', placeholder: '$.lines[*].price' },
  { name: 'positions', label: 'Position', placeholder: '0000000001c697a0.00000000' },
  { name: 'since', label: 'First seen since', type: 'time' },
  { name: 'until', label: 'First seen before', type: 'time' },
];

export function LetterList() {
  const [query, setQuery] = useSearchParams();
  const selected = selectionFrom(query);
  const status = selected.statuses![0]!;
  const after = query.get('after');
  const jobId = query.get('job');
  useEffect(() => rememberList(query), [query]);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const page = useQuery({
    queryKey: ['dead-letters', 'list', queryOf(selected).toString(), after],
    queryFn: () => read(selected, after),
    placeholderData: keepPreviousData,
  });
  const isListed = page.data !== undefined;
  // Somebody opens one of them next.
  useEffect(() => {
    if (isListed) preloadEditor();
  }, [isListed]);
  useListKeys({ up: `/dead-letters?statuses=${status}`, isReady: page.data !== undefined });
  const go = (next: Selected, more: Readonly<Record<string, string>> = {}) => {
    setPicked(new Set());
    setQuery(new URLSearchParams([...queryOf(next), ...Object.entries(more)]));
  };
  const onOver = useLettersChanged();
  const onStarted = (job: string) => go(selected, { job });
  const total = page.data?.total ?? 0;
  const some: Selected =
    picked.size === 0 ? selected : { positions: [...picked], statuses: selected.statuses! };
  const about = { selected: some, total: picked.size === 0 ? total : picked.size, onStarted };
  const [code] = selected.codes ?? [];
  const advice = code !== undefined && selected.codes?.length === 1 ? adviceOf(code) : null;
  const letters = page.data?.letters ?? [];
  // It reads many more than the list, which comes first.
  const outlook = useOutlook(selected, status === 'open' && total > 0);
  const isOpening = useOpening(page.isPending);
  const isFixed = outlook.data !== undefined && areAllFixed(outlook.data);
  // None of these can be resubmitted: they are published with their keys.
  const isAllParked = total > 0 && outlook.data?.ofParkedKeys === total;
  return (
    <>
      <Heading trail={[['Dead letters', `/dead-letters?statuses=${status}`]]}>
        {selected.codes?.length === 1 ? code : 'All in one list'}
      </Heading>
      <StatusTabs
        current={status}
        pathOf={(each) => `/dead-letters/list?${queryOf({ ...selected, statuses: [each] })}`}
      />
      {jobId !== null && (
        <JobCard
          id={jobId}
          describe={describeJob(onStarted, selected)}
          onOver={onOver}
          onClose={() => go(selected)}
        />
      )}
      {isOpening && <Loading lines={12} />}
      <section className="card" aria-label="Repair" hidden={isOpening}>
        <FilterBar
          conditions={conditionsOf(selected)}
          fields={fields}
          onAdd={(name, value) =>
            go({ ...selected, [name]: name === 'since' || name === 'until' ? value : [value] })
          }
          onRemove={(name) => go(without(selected, name))}
        />
        {page.data !== undefined && (
          <p role="status">
            <b>{counted(total, 'dead letter')}</b> {selected.statuses!.join(' or ')}
            {picked.size > 0 && (
              <>
                , <b>{count(picked.size)} selected</b>{' '}
                <button type="button" className="link" onClick={() => setPicked(new Set())}>
                  none
                </button>
              </>
            )}
          </p>
        )}
        {status === 'parked' && total > 0 && advice !== null && <p className="quiet">{advice}</p>}
        {status === 'open' && total > 0 && (
          <>
            <OutlookLines
              of={outlook}
              selected={selected}
              advice={advice}
              expected={expectedLines(letters)}
            />
            <Actions>
              <Link className="button plain" href={`/dead-letters/patch?${queryOf(some)}`}>
                Patch…
              </Link>
              <ResubmitAct {...about} isNext={isFixed} why={isAllParked ? parkedWhy : null} />
              <DiscardAct {...about} />
            </Actions>
            <TryNow selected={some} isDetailed />
          </>
        )}
        {status === 'parked' && total > 0 && (
          <Actions>
            <Link className="button plain" href={parkedKeysPath(selected)}>
              Release their keys…
            </Link>
            <DiscardAct {...about} />
          </Actions>
        )}
      </section>
      <QueryFailure of={page} />
      {!isOpening && page.isPending && <Loading lines={8} />}
      {!isOpening && page.data !== undefined && (
        <section className="card" aria-label="List" aria-busy={page.isPlaceholderData}>
          {page.data.letters.length === 0 ? (
            <Empty title={total > 0 ? 'This page is empty' : 'No dead letter is like that'}>
              {total > 0
                ? 'Those that it held have been closed. Go back to the first page.'
                : 'It may have been closed: look at the other states, or remove a condition.'}
            </Empty>
          ) : (
            <Table letters={page.data.letters} selected={selected} picked={picked} onPick={setPicked} />
          )}
          <Pager
            {...page.data}
            shown={page.data.letters.length}
            onGo={(to) => go(selected, to === null ? {} : { after: to })}
          />
        </section>
      )}
    </>
  );
}

type TableProps = {
  letters: Letters;
  selected: Selected;
  picked: ReadonlySet<string>;
  onPick: (picked: ReadonlySet<string>) => void;
};

/** Columns that the selection fixes are left out: every row would say the same. */
function Table({ letters, selected, picked, onPick }: TableProps) {
  const isFixed = (name: 'codes' | 'types' | 'paths' | 'topics') => selected[name]?.length === 1;
  const isPickable = selected.statuses!.every((each) => each === 'open' || each === 'parked');
  const hasValues = letters.some(({ there }) => there.state === 'value');
  const isWhole = letters.every(({ position }) => picked.has(position));
  return (
    <Scroll label="Dead letters">
      <table className="stacked">
        <thead>
          <tr>
            {isPickable && (
              <th data-label="Select this page">
                <input
                  type="checkbox"
                  aria-label="Select this page"
                  checked={isWhole}
                  onChange={() =>
                    onPick(new Set(isWhole ? [] : [...picked, ...letters.map(({ position }) => position)]))
                  }
                />
              </th>
            )}
            <th>Position</th>
            <th>Key</th>
            {!isFixed('codes') && <th>Code</th>}
            <th>Message</th>
            {hasValues && <th>Value there</th>}
            {!isFixed('types') && <th>Type</th>}
            {!isFixed('topics') && <th>Topic</th>}
            <th>First seen</th>
          </tr>
        </thead>
        <tbody>
          {letters.map((letter) => {
            const {
              position,
              aggregateid,
              firstSeen,
              code,
              type,
              topic,
              message,
              isOfParkedKey,
              leftOut,
              fixedAt,
              there,
            } = letter;
            return (
              <tr key={position} data-row>
                {isPickable && (
                  <td>
                    <input
                      type="checkbox"
                      aria-label={`Select ${position}`}
                      checked={picked.has(position)}
                      onChange={() => {
                        const next = new Set(picked);
                        if (!next.delete(position)) next.add(position);
                        onPick(next);
                      }}
                    />
                  </td>
                )}
                <td>
                  <Link href={`/dead-letters/${position}`} data-item={position}>
                    <code>{position}</code>
                  </Link>
                </td>
                <td className="wrap key" data-label="Key">
                  {aggregateid === null ? (
                    <span className="quiet">none</span>
                  ) : (
                    <Visible text={aggregateid} max={80} />
                  )}{' '}
                  {isOfParkedKey && <Badge tone="warn">parked key</Badge>}
                </td>
                {!isFixed('codes') && <td>{code}</td>}
                <td className="wrap message">
                  <Visible text={message} max={160} />{' '}
                  {leftOut !== null && <Badge tone="warn">incomplete</Badge>}
                  {fixedAt !== null && <Badge tone="good">{fixedText(letter)}</Badge>}
                </td>
                {hasValues && (
                  <td className="wrap" data-label="Value there">
                    <There there={there} />
                  </td>
                )}
                {!isFixed('types') && (
                  <td className="wrap">{type === null ? '–' : <Visible text={type} max={80} />}</td>
                )}
                {!isFixed('topics') && (
                  <td className="name">{topic === null ? '–' : <Visible text={topic} max={80} />}</td>
                )}
                <td data-label="First seen">
                  <Time at={firstSeen} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

const noValue = {
  nothing: 'nothing',
  'no-path': '–',
  'not-json': 'not JSON',
  'left-out': 'left out',
  'not-read': 'large, not read',
  hidden: 'hidden',
} as const;

/** What its payload holds now where it was refused. */
const There = ({ there }: { there: Letters[number]['there'] }) =>
  there.state === 'value' ? (
    <code>
      <Visible text={there.text} max={120} />
      {there.isCut && '…'}
    </code>
  ) : (
    <span className="quiet">{noValue[there.state]}</span>
  );
