/**
 * What was asked for cannot be done as it was asked: it names nothing that exists, or is malformed. Nothing was changed. Not
 * an error of the relay or of a server, which has a code (`errors.ts`). Never with a value of a payload.
 */
export class RequestInvalid extends Error {
  override readonly name = 'RequestInvalid';
}
