/** Signing in with a token. The name goes into the audit trail; the token says what one may do. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ask, sessionApi } from '../data/api.ts';
import { forgetLinkToken, linkToken } from '../data/link-token.ts';
import { Button, Failure } from '../parts/basics.tsx';

/** Kept by this browser, so that one types it once. */
const nameKey = 'outbox-relay.person';

export function SignIn() {
  const queries = useQueryClient();
  const [token, setToken] = useState(linkToken);
  const [person, setPerson] = useState(() => localStorage.getItem(nameKey) ?? '');
  const [state, setState] = useState<{ busy: boolean; error?: unknown }>({ busy: false });
  const signIn = async () => {
    setState({ busy: true });
    try {
      await ask(sessionApi.index.$post({ json: { token: token.trim(), person: person.trim() } }));
      localStorage.setItem(nameKey, person.trim());
      forgetLinkToken();
      await queries.invalidateQueries();
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return (
    <main className="alone">
      <form
        className="card sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          if (!state.busy) void signIn();
        }}
      >
        <h1>Outbox relay</h1>
        <label className="field">
          <span>Your name</span>
          <input
            value={person}
            onChange={({ target }) => setPerson(target.value)}
            required
            maxLength={200}
            autoComplete="username"
          />
          <small>What you do is recorded with it.</small>
        </label>
        <label className="field">
          <span>Token</span>
          <input
            type="password"
            value={token}
            onChange={({ target }) => setToken(target.value)}
            required
            autoComplete="current-password"
          />
          <small>
            <code>console.operateToken</code> or <code>console.viewToken</code>, or the one that the console
            printed when it started.
          </small>
        </label>
        {state.error !== undefined && <Failure error={state.error} />}
        <Button kind="primary" type="submit" disabled={state.busy}>
          {state.busy ? 'Signing in…' : 'Sign in'}
        </Button>
      </form>
    </main>
  );
}

export function SignOut() {
  const queries = useQueryClient();
  return (
    <button
      type="button"
      className="link"
      onClick={() => {
        void ask(sessionApi.index.$delete()).then(() => queries.resetQueries());
      }}
    >
      Sign out
    </button>
  );
}
