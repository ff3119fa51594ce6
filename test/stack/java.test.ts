import { afterEach, expect, test, vi } from 'vitest';
import { missingJava, missingMaven } from '../../stack/java.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('one line says what to install on a machine without Java', async () => {
  vi.stubEnv('JAVA_HOME', '/nonexistent');
  const line = await missingJava();
  expect(line).toMatch(/^Java 17 or newer is required, but none was found: install OpenJDK 17\+.*$/);
});

test('one line says what to install on a machine without Maven', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  expect(await missingMaven()).toMatch(/^Maven is required .*: install it.*$/);
});
