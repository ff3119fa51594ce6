/** Which parameters of an address hold a secret. The one list: for what is shown, what is written, and what is asked for. */

/** How such a name ends, in any case of letters; for the chart, too, whose expressions are those of Go. */
export const secretKeyEnd =
  '(?:password|passwd|passphrase|secret|token|api[-_]?key|access[-_]?key|credentials?|signature)';

const secretKey = new RegExp(`${secretKeyEnd}$`, 'i');

/** Whether the parameter of an address holds a secret: `password`, `sslpassword` and `oauth_client_secret` of libpq, and their kind. */
export const isSecretKey = (key: string): boolean =>
  secretKey.test(key.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number(`0x${hex}`))));
