import { afterEach, expect, test, vi } from 'vitest';
import { missingJava, missingMaven } from '../../stack/java.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

test('a machine without Java is told in one line what to install', async () => {
  vi.stubEnv('JAVA_HOME', '/nonexistent');
  const line = await missingJava();
  expect(line).toMatch(/^Java 17 or newer is needed, none was found: install OpenJDK 17\+.*$/);
});

test('a machine without Maven is told in one line what to install', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  expect(await missingMaven()).toMatch(/^Maven is needed .*: install it.*$/);
});
