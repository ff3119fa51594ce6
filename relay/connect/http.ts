/**
 * Owns one request over HTTP: within a time limit, with an answer of limited length, without following a redirect. What an
 * answer means, the caller decides.
 */
import { once } from 'node:events';
import type { Agent, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { messageOf } from '../errors.ts';
import { request as httpRequest } from '../model/node-http.ts';
import { plainMessage, type TlsOptions } from './tls.ts';

export type HttpRequest = {
  /** Without credentials. */
  readonly url: URL;
  /** In place of that of the URL: it is sent as it is, where a URL would resolve a name such as `..`. */
  readonly path?: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string;
  readonly tls: TlsOptions | undefined;
  /** Keeps connections; false for a connection of its own. */
  readonly agent: Agent | false;
  /** When it is aborted, the socket is closed. */
  readonly signal: AbortSignal;
};

export type HttpAnswer = { readonly status: number; readonly text: string };

/** A longer answer counts as none. */
const answerLengthMax = 16 * 1024 * 1024;

/** @throws the errors of Node's client */
export async function exchange(asked: HttpRequest): Promise<HttpAnswer> {
  const { url, path, method, headers, body, tls, agent, signal } = asked;
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const where = { ...urlToHttpOptions(url), ...(path === undefined ? {} : { path }) };
  const request = send({ ...where, ...tls, agent, method, headers, signal });
  // A failure after the headers shows while the body is read.
  request.on('error', () => {});
  request.end(body);
  let response: IncomingMessage;
  try {
    [response] = await once(request, 'response');
  } catch (error) {
    // The server has just closed a kept connection, and did not receive the request.
    if (request.reusedSocket && !signal.aborted) return exchange({ ...asked, agent: false });
    throw error;
  }
  return { status: response.statusCode ?? 0, text: await readAll(response) };
}

/** What went wrong, without what OpenSSL adds. */
export function describeFailure(error: unknown): string {
  return plainMessage(messageOf(error));
}

async function readAll(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > answerLengthMax) throw new Error('the answer is longer than 16 MB');
  }
  return text;
}

/** The object that the text is as JSON, if it is one. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
