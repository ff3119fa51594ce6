/**
 * Owns the data folder of a broker before its first start. Kafka's own tool formats one folder for each version, which is
 * kept in the cache; the others are copies with identities of their own. So only the first start pays for the tool, which
 * takes as much CPU time as a third of a broker's start.
 */
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fillOnce } from './fill-once.ts';
import type { Progress } from './progress.ts';

/** Runs Kafka's format tool with these settings and arguments. */
export type FormatTool = (configFile: string, clusterId: string) => Promise<void>;

export type DataFolder = {
  readonly folder: string;
  readonly clusterId: string;
  readonly nodeId: number;
};

/** An id as Kafka makes them. Its first character is a letter: some of Kafka's tools take a dash for an option. */
export function kafkaId(): string {
  const bytes = randomBytes(16);
  bytes[0]! &= 0x7f;
  return bytes.toString('base64url');
}

/** The features that a new cluster begins with, as records. Nothing in it is of one cluster or node. */
const bootstrapFile = 'bootstrap.checkpoint';

/**
 * @param template where the formatted folder of this version is kept
 * @param settingsOf the settings of a node with this data folder
 */
export async function formatData(
  { folder, clusterId, nodeId }: DataFolder,
  template: string,
  tool: FormatTool,
  settingsOf: (dataFolder: string) => string,
  onProgress?: Progress,
): Promise<void> {
  const fill = async ({ dir }: { readonly dir: string }, target: string) => {
    const configFile = path.join(dir, 'format.properties');
    await writeFile(configFile, settingsOf(target));
    await tool(configFile, kafkaId());
  };
  await fillOnce(template, 'the format of Kafka', fill, onProgress);
  await mkdir(folder, { recursive: true });
  await copyFile(path.join(template, bootstrapFile), path.join(folder, bootstrapFile));
  const facts = { version: 1, 'cluster.id': clusterId, 'node.id': nodeId, 'directory.id': kafkaId() };
  const lines = Object.entries(facts).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(path.join(folder, 'meta.properties'), lines.join(''));
}
