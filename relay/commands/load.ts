/** Loads the configuration of a command. */
import type { Command } from 'commander';
import { type Loaded, loadConfig, loadDespiteFaults, type Need } from '../config/config.ts';
import type { RelayError } from '../errors.ts';

/** `fault`: what is wrong with settings that count with their default instead; only where the command goes on with that. */
type LoadedFor = Omit<Loaded, 'file'> & {
  readonly file?: string | undefined;
  readonly fault?: RelayError | undefined;
};

/**
 * @param needs servers whose settings must be there; without it, all
 * @param despiteFaults whether the command shows what it can with the settings that are right
 * @throws RelayError CONFIG_INVALID
 */
export type Load = (command: Command, needs?: readonly Need[], despiteFaults?: boolean) => LoadedFor;

export const load: Load = (command, needs, despiteFaults = false) => {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  const options = { file: config, ...(needs === undefined ? {} : { needs }) };
  return despiteFaults ? loadDespiteFaults(options) : loadConfig(options);
};
