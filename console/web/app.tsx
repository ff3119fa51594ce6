/** The frame of every screen: who is signed in, where one can go, and whether what is shown is up to date. */
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useState } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { ApiFault } from './data/api.ts';
import { stalenessOf } from './data/freshness.ts';
import { useLive } from './data/live.ts';
import { meQuery } from './data/me.ts';
import { Ago, Badge, Failure, useNow, Waiting } from './parts/basics.tsx';
import { screens } from './screens/screens.ts';
import { SignIn, SignOut } from './screens/sign-in.tsx';

const loaded = screens.map(({ load, ...screen }) => ({ ...screen, Screen: lazy(load) }));

export function App() {
  const me = useQuery(meQuery);
  if (me.isPending) return <Waiting />;
  if (me.error instanceof ApiFault && me.error.status === 401) return <SignIn />;
  if (me.data === undefined)
    return (
      <main className="alone">
        <Failure error={me.error} onRetry={() => void me.refetch()} />
      </main>
    );
  return <Frame {...me.data} />;
}

const askAgainMs = 3_000;

type FrameProps = {
  person: string;
  role: string;
  via: string;
  slotName: string;
  version: string;
  grafanaUrl: string | null;
};

function Frame({ person, role, via, slotName, version, grafanaUrl }: FrameProps) {
  const [path, navigate] = useLocation();
  useShortcuts(navigate);
  // A console that was restarted knows nobody: then the page asks to sign in.
  const { connection } = useLive();
  useQuery({ ...meQuery, refetchInterval: connection === 'lost' ? askAgainMs : false });
  const current = loaded.find((screen) => isAt(path, screen.path));
  useEffect(() => {
    document.title = `${current?.title ?? 'Not found'} · ${slotName} · Outbox relay`;
  }, [current, slotName]);
  return (
    <div className="frame">
      {/* No link: the base of the page would make it lead to another screen. */}
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <aside className="side">
        <p className="brand">
          <strong>Outbox relay</strong>
          <span className="quiet">{slotName}</span>
        </p>
        <nav aria-label="Screens">
          {loaded.map(({ path: to, title, key }) => (
            <Link key={to} href={to} aria-current={isAt(path, to) ? 'page' : undefined}>
              {title}
              <kbd>g {key}</kbd>
            </Link>
          ))}
          {grafanaUrl !== null && (
            <a href={grafanaUrl} rel="noreferrer" target="_blank">
              Grafana
            </a>
          )}
        </nav>
        <footer className="quiet">
          <span>
            {person} · {role === 'operate' ? 'may act' : 'may look'}
          </span>
          {via === 'token' && <SignOut />}
          <span>{version}</span>
        </footer>
      </aside>
      <main id="main" tabIndex={-1}>
        <Freshness />
        <Suspense fallback={<Waiting />}>
          <Switch>
            {loaded.map(({ path: to, Screen }) => (
              <Route key={to} path={to === '/' ? '/' : `${to}/*?`} component={Screen} />
            ))}
            <Route>
              <Redirect to="/" />
            </Route>
          </Switch>
        </Suspense>
      </main>
    </div>
  );
}

const isAt = (path: string, screen: string) =>
  screen === '/' ? path === '/' : path === screen || path.startsWith(`${screen}/`);

/** What is shown may be old: then it says so, with its age. */
function Freshness() {
  const { seen, ...heard } = useLive();
  const staleness = stalenessOf({ ...heard, failure: seen.failure }, useNow(1_000));
  if (staleness === undefined) return null;
  const { tone, text, sinceMs } = staleness;
  return (
    <p className={`freshness ${tone}`} role="status">
      <Badge tone={tone}>Not up to date</Badge> {text}
      {sinceMs !== null && (
        <>
          {' '}
          What you see is from <Ago at={sinceMs} />.
        </>
      )}
    </p>
  );
}

/** `g` and a letter go to a screen, after Escape where one types; `?` is not needed, since the letters stand beside the titles. */
function useShortcuts(navigate: (path: string) => void): void {
  const [isGoing, setIsGoing] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target, key, ctrlKey, metaKey, altKey } = event;
      const isTyping =
        target instanceof HTMLElement &&
        target.closest('input, textarea, select, dialog, [contenteditable]') !== null;
      if (isTyping && key === 'Escape' && target.closest('dialog') === null) target.blur();
      if (isTyping || ctrlKey || metaKey || altKey) return;
      const screen = isGoing ? screens.find((each) => each.key === key) : undefined;
      if (screen !== undefined) {
        event.preventDefault();
        navigate(screen.path);
      }
      setIsGoing(key === 'g' && !isGoing);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [isGoing, navigate]);
}
