/** Which parameters of an address hold a secret. */

/** Whether the parameter of an address holds a secret: `password`, `sslpassword` and `oauth_client_secret` of libpq, and their kind. */
export const isSecretKey = (key: string): boolean =>
  /(?:password|secret|token)$/i.test(
    key.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number(`0x${hex}`))),
  );
