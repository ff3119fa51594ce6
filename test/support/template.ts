/**
 * Owns the databases with every migration that tests copy: the migrations alone take half a second a database. There is one
 * for each server and day, because the migrations make partitions by the day.
 */
import { dropDatabase, urlOf, withClient } from '../../harness/database.ts';
import { migrate } from '../../relay/operations/migrate/migrate.ts';
import { unique } from './unique.ts';

/** By the URL of the server, and by the day in UTC, as partitions are. */
const templates = new Map<string, Map<string, Promise<string>>>();

/** @returns the name of a database on that server, made today */
export function templateOn(serverUrl: string): Promise<string> {
  const day = new Date().toISOString().slice(0, 10);
  const byDay = templates.get(serverUrl) ?? new Map<string, Promise<string>>();
  const template = byDay.get(day) ?? makeTemplate(serverUrl);
  templates.set(serverUrl, byDay.set(day, template));
  return template;
}

/** For a server that outlives the tests. */
export async function dropTemplates(serverUrl: string): Promise<void> {
  for (const made of templates.get(serverUrl)?.values() ?? []) {
    const template = await made.catch(() => undefined);
    if (template !== undefined) await dropDatabase(serverUrl, template);
  }
}

async function makeTemplate(serverUrl: string): Promise<string> {
  const template = unique('template');
  await withClient(serverUrl, (client) => client.query(`create database ${template}`));
  await migrate({ databaseUrl: urlOf(serverUrl, template) });
  return template;
}
