/**
 * Owns how `node:http` is loaded. An import reads each name that it exports, also those that load undici behind it, which
 * nothing here uses: 60 ms of CPU at the start of every command.
 */
const http = process.getBuiltinModule('node:http');

export const { createServer, request } = http;
export const HttpAgent = http.Agent;
export type HttpAgent = InstanceType<typeof HttpAgent>;
