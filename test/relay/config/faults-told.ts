import { expect } from 'vitest';
import { loadConfig } from '../../../relay/config/config.ts';
import { RelayError } from '../../../relay/errors.ts';

/** The lines under the first one, each a fault; none if the configuration has none. */
export function faultsTold(options: Parameters<typeof loadConfig>[0]): string[] {
  try {
    loadConfig(options);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(RelayError);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    const [, ...lines] = (error as RelayError).message.split('\n');
    return lines.map((line) => line.trim());
  }
}
