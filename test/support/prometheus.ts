/**
 * Owns what becomes of a test that needs Prometheus where it cannot be had: npm and Maven do not have it. In CI the test
 * fails; elsewhere it is skipped, counted as skipped, and the run ends with the reason.
 */
import type { TestContext } from 'vitest';
import { type PrometheusPrograms, prometheusPrograms } from '../../stack/prometheus-programs.ts';

export async function programsOrSkip({ skip }: Pick<TestContext, 'skip'>): Promise<PrometheusPrograms> {
  try {
    return await prometheusPrograms((line) => console.error(`# ${line}`));
  } catch (error) {
    if (process.env.CI !== undefined) throw error;
    return skip((error as Error).message);
  }
}
