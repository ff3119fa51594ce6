/** The frame of every screen: who is signed in, where one can go, and whether what is shown is up to date. */
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, Suspense, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { ApiFault } from './data/api.ts';
import { useNow } from './data/clock.ts';
import { count } from './data/format.ts';
import { stalenessOf } from './data/freshness.ts';
import { useLive } from './data/live.ts';
import { meQuery } from './data/me.ts';
import { useTitle } from './data/title.ts';
import { visit } from './data/visit.ts';
import icon from './icon.svg';
import { Ago, Badge, Failure, Loading } from './parts/basics.tsx';
import { Boundary } from './parts/boundary.tsx';
import { useKeptFocus } from './parts/kept-focus.ts';
import { later } from './parts/later.tsx';
import { Words } from './parts/words.tsx';
import { screens } from './screens/screens.ts';
import { SignIn, SignOut } from './screens/sign-in.tsx';

const loaded = screens.map(({ load, ...screen }) => ({ ...screen, Screen: later(load) }));

/** The code of the first screen comes beside the answer who is signed in, and not after it. */
export const loadFirst = (path: string): void =>
  void loaded.find((screen) => isAt(path, screen.path))?.Screen.preload();

/** Then that of the others, so that each opens at once. A page that nobody sees asks for nothing. */
function useOthers(): void {
  useEffect(() => {
    const timer = setTimeout(async () => {
      for (const { Screen } of loaded) if (!document.hidden) await Screen.preload();
    }, othersAfterMs);
    return () => clearTimeout(timer);
  }, []);
}

/** By then the first screen has asked for what it shows. */
const othersAfterMs = 1_000;

export function App() {
  const me = useQuery(meQuery);
  if (me.isPending)
    return (
      <main className="alone">
        <Loading lines={3} />
      </main>
    );
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
  useKeptFocus();
  useOthers();
  useScroll(path);
  const current = loaded.find((screen) => isAt(path, screen.path));
  useTitle('slot', slotName);
  useTitle('screen', current?.title ?? '');
  return (
    <div className="frame">
      {/* No link: the base of the page would make it lead to another screen. */}
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to content
      </button>
      <aside className="side">
        <p className="brand">
          <img src={icon} alt="" width="32" height="32" />
          <strong>Outbox relay</strong>
          <span className="quiet">{slotName}</span>
        </p>
        <nav aria-label="Screens">
          {loaded.map(({ path: to, title, key }) => (
            <NavLink key={to} href={to} isCurrent={isAt(path, to)}>
              <span>{title}</span>
              <WaitingCount of={to} />
              <kbd>g {key}</kbd>
            </NavLink>
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
      <main id="main" tabIndex={-1} data-screen={current?.path.slice(1) || 'now'}>
        <StillKnown />
        <Freshness />
        <Boundary key={current?.path ?? ''}>
          <Suspense fallback={<Opening title={path === current?.path ? current.title : null} />}>
            <Switch>
              {loaded.map(({ path: to, Screen }) => (
                <Route key={to} path={to === '/' ? '/' : `${to}/*?`} component={Screen} />
              ))}
              <Route>
                <Redirect to="/" />
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
    </div>
  );
}

/** While the code of a screen is loaded. */
const Opening = ({ title }: { title: string | null }) => (
  <>
    {title !== null && <h1>{title}</h1>}
    <Loading />
  </>
);

const isAt = (path: string, screen: string) =>
  screen === '/' ? path === '/' : path === screen || path.startsWith(`${screen}/`);

function NavLink({ href, isCurrent, children }: { href: string; isCurrent: boolean; children: ReactNode }) {
  const ref = useRef<HTMLAnchorElement>(null);
  // On a phone the navigation is wider than the page.
  useEffect(() => {
    const link = ref.current;
    const nav = link?.parentElement;
    if (!isCurrent || link == null || nav == null) return;
    nav.scrollLeft = link.offsetLeft - (nav.clientWidth - link.clientWidth) / 2;
  }, [isCurrent]);
  return (
    <Link ref={ref} href={href} aria-current={isCurrent ? 'page' : undefined}>
      {children}
    </Link>
  );
}

/** How many wait for a person, beside the screen that repairs them. */
function WaitingCount({ of }: { of: string }) {
  const { status, failure } = useLive().seen;
  if (of !== '/dead-letters' && of !== '/parked-keys') return null;
  if (status === null) return failure === null ? null : <Badge tone="quiet">–</Badge>;
  const [many, what] =
    of === '/dead-letters'
      ? ([status.deadLetters.reduce((sum, { open }) => sum + open, 0), 'open'] as const)
      : ([status.parked.keys, 'parked'] as const);
  if (many === 0) return null;
  return (
    <Badge tone={of === '/dead-letters' ? 'bad' : 'warn'}>
      {many > countMax ? `${count(countMax)}+` : count(many)}
      <span className="hidden"> {what}</span>
    </Badge>
  );
}

/** More do not fit, and say no more. */
const countMax = 99_999;

/** A console that was restarted knows nobody: then the page asks to sign in. */
function StillKnown() {
  const { connection } = useLive();
  useQuery({ ...meQuery, refetchInterval: connection === 'lost' ? askAgainMs : false });
  return null;
}

/** Another screen begins at its top, or at the part that the address names. Back and forth keep their places. */
function useScroll(path: string): void {
  const isBack = useRef(false);
  const shown = useRef(location.pathname);
  useEffect(() => {
    const onBack = () => {
      // Back from a dialog stays on the screen.
      isBack.current = location.pathname !== shown.current;
    };
    addEventListener('popstate', onBack);
    return () => removeEventListener('popstate', onBack);
  }, []);
  const loaded = useRef(path);
  // Before the heading of the screen asks for it.
  useLayoutEffect(() => {
    if (path !== loaded.current) visit.hasMoved = true;
  }, [path]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each path is another screen
  useEffect(() => {
    if (!isBack.current && location.hash === '') scrollTo(0, 0);
    isBack.current = false;
    shown.current = location.pathname;
  }, [path]);
}

/** What is shown may be old: then it says so, with its age. */
function Freshness() {
  const { seen, ...heard } = useLive();
  const staleness = stalenessOf({ ...heard, failure: seen.failure }, useNow());
  if (staleness === undefined) return null;
  const { tone, text, sinceMs } = staleness;
  return (
    <p className={`banner freshness ${tone}`} role="status">
      <Badge tone={tone}>not up to date</Badge> <Words text={text} />
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
