/**
 * The token of a link such as `#token=…`, which the console prints. It leaves the address at once, whether anybody signs in
 * with it or not: people copy addresses, and browsers keep them.
 */

let token = '';

function take(): void {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given === null) return;
  token = given;
  history.replaceState(history.state, '', location.pathname + location.search);
}

take();
// A link that is opened where the page is open already loads nothing.
addEventListener('hashchange', take);

export const linkToken = (): string => token;

/** Once somebody has signed in with it: after signing out it must not stand there. */
export function forgetLinkToken(): void {
  token = '';
}
