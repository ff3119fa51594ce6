/** Settings: what people may change while the relay runs, what counts, and where each value comes from. */
import { useQuery } from '@tanstack/react-query';
import type { InferResponseType } from 'hono/client';
import { useSearchParams } from 'wouter';
import { api, ask } from '../../data/api.ts';
import { count } from '../../data/format.ts';
import { useLive } from '../../data/live.ts';
import { Badge, Card, Empty, Loading, QueryFailure } from '../../parts/basics.tsx';
import { Heading } from '../../parts/heading.tsx';
import { useListKeys } from '../../parts/list-keys.ts';
import { useOpening } from '../../parts/opening.ts';
import { Visible } from '../../parts/visible.tsx';
import { Words } from '../../parts/words.tsx';
import { ActionsCard, useActions } from './actions.tsx';
import { ControlCard } from './control.tsx';
import { type Chosen, chosenSettings, sectionsOf } from './filter-settings.ts';
import { inWords } from './in-words.ts';
import './settings.css';

type Setting = InferResponseType<typeof api.settings.$get, 200>['settings'][number];

export default function Settings() {
  const settings = useQuery({
    queryKey: ['settings'],
    queryFn: () => ask(api.settings.$get()),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data, isPending } = settings;
  useListKeys({});
  const { status, failure } = useLive().seen;
  const actions = useActions();
  const isOpening = useOpening(isPending || actions.isPending || (status === null && failure === null));
  if (isOpening)
    return (
      <>
        <Heading>Settings</Heading>
        <Loading lines={12} />
      </>
    );
  return (
    <>
      <Heading>Settings</Heading>
      <ControlCard topicsAllowed={data?.topicsAllowed ?? []} />
      <ActionsCard />
      <QueryFailure of={settings} />
      {isPending && <Loading lines={9} />}
      {data !== undefined && <Configuration settings={data.settings} />}
    </>
  );
}

const choices: readonly (readonly [Chosen, string])[] = [
  ['all', 'All'],
  ['set', 'Changed'],
  ['reload', 'Without a restart'],
];

function Configuration({ settings }: { settings: readonly Setting[] }) {
  const [search, setSearch] = useSearchParams();
  const text = search.get('q') ?? '';
  const hasSet = chosenSettings(settings, '', 'set').length > 0;
  // People come to see what was changed; a search looks through everything.
  const usual = text === '' && hasSet ? 'set' : 'all';
  const chosen = choices.find(([name]) => name === search.get('show'))?.[0] ?? usual;
  const change = (name: string, value: string) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        if (value === '') next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: true },
    );
  const shown = chosenSettings(settings, text, chosen);
  return (
    <Card
      title="Configuration"
      aside={
        <span className="quiet" role="status">
          {count(shown.length)} of {count(settings.length)} settings
        </span>
      }
    >
      <p>
        These are the settings of the console’s own process. A relay reads its own file and environment, and
        may have others: <code>outbox-relay config</code> beside it shows those.
      </p>
      <Relays />
      <search className="settings-filter">
        <input
          type="search"
          data-filter
          aria-label="Filter settings"
          placeholder="Name, description, value or variable"
          value={text}
          onChange={({ target }) => change('q', target.value)}
        />
        <fieldset className="choices" aria-label="Which settings">
          {choices.map(([name, label]) => (
            <label key={name}>
              <input
                type="radio"
                name="show"
                checked={chosen === name}
                onChange={() => change('show', name)}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
      </search>
      {shown.length === 0 && (
        <Empty title="No setting is like that">
          {chosen === 'all' ? 'Use fewer words.' : 'Choose “All” to look through every setting.'}
        </Empty>
      )}
      {sectionsOf(shown).map(([section, own]) => (
        <details
          key={`${section} ${chosen} ${text === ''}`}
          className="section"
          open={chosen !== 'all' || text !== ''}
        >
          <summary>
            {section} <span className="quiet">{count(own.length)}</span>
          </summary>
          <dl className="settings">
            {own.map((setting) => (
              <SettingRow key={setting.key} setting={setting} />
            ))}
          </dl>
        </details>
      ))}
    </Card>
  );
}

/** Which of them did not take over what they read. */
function Relays() {
  const { status } = useLive().seen;
  if (status === null) return null;
  const present = status.relays.filter(({ isGone, state }) => !isGone && state !== 'stopped');
  const rejected = present.filter(({ facts }) => facts.hasRejectedConfig === true);
  const waiting = present.filter(({ facts }) => (facts.needRestart ?? []).length > 0);
  if (present.length === 0)
    return <p className="quiet">No relay runs, so none says whether it could use its settings.</p>;
  if (rejected.length === 0 && waiting.length === 0)
    return (
      <p className="quiet">No relay has rejected its settings, and none waits for a restart to use them.</p>
    );
  return (
    <>
      {rejected.map(({ instance }) => (
        <p key={instance}>
          <Badge tone="bad">rejected</Badge> Relay {instance} read its settings again and rejected them. It
          goes on with those it had; its log says why.
        </p>
      ))}
      {waiting.map(({ instance, facts }) => (
        <p key={instance}>
          <Badge tone="warn">restart needed</Badge> Relay {instance} has read values that change only with a
          restart: {facts.needRestart?.join(', ')}
        </p>
      ))}
    </>
  );
}

function SettingRow({ setting }: { setting: Setting }) {
  const { key, value, source, isDefault, env, reload, description } = setting;
  return (
    <div>
      <dt>
        <code>{key}</code>
      </dt>
      <dd className="value">
        {source === 'not set' || (value === '' && setting.default === null) ? (
          <span className="quiet">not set</span>
        ) : (
          <code>
            <Visible text={value} max={400} />
          </code>
        )}{' '}
        {inWords(key, value) !== null && <span className="quiet">{inWords(key, value)} </span>}
        {!isDefault && source !== 'not set' && <Badge tone="accent">from {source}</Badge>}
      </dd>
      <dd className="about">
        <Words text={description} />{' '}
        <span className="quiet">
          Default: {setting.default === null ? 'none' : setting.default === '' ? 'empty' : setting.default}.{' '}
          {reload ? 'A running relay takes it over.' : 'Changes with a restart.'}{' '}
          {source !== env && <code>{env}</code>}
        </span>
      </dd>
    </div>
  );
}
