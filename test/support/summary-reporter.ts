/** Owns the last line of a test run: `N passed, N failed`. A run that ends red never says `0 failed`. */
import type { SerializedError } from 'vitest';
import type { Reporter, TestCase, TestModule, TestRunEndReason, TestSuite } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  private passed = 0;
  private failed = 0;

  onInit(): void {
    // At exit, so that nothing comes after it, and the exit code, whatever it is made of, is known.
    process.once('exit', (code) => {
      const failed = code !== 0 ? Math.max(this.failed, 1) : this.failed;
      console.log(`${this.passed} passed, ${failed} failed`);
    });
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const skips = modules.flatMap((module) => [...module.children.allTests('skipped')]).map(noteOf);
    for (const [note, count] of countsOf(skips.filter((note) => note !== undefined)))
      console.log(`${count} skipped: ${note}`);
    this.passed = states.filter((state) => state === 'passed').length;
    const failedTests = states.filter((state) => state === 'failed').length;
    this.failed = failedTests + modules.filter(failedOutsideTests).length + unhandledErrors.length;
    if (reason !== 'passed') this.failed = Math.max(this.failed, 1);
  }
}

/** The file could not be loaded, or a hook of it or of one of its suites failed. */
function failedOutsideTests(module: TestModule): boolean {
  const groups: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
  return groups.some((group) => group.errors().length > 0);
}

/** Why a test skipped itself. Those that nobody asked to run have no note. */
function noteOf(test: TestCase): string | undefined {
  const result = test.result();
  return result.state === 'skipped' ? result.note : undefined;
}

function countsOf(notes: readonly string[]): Map<string, number> {
  return new Map([...Map.groupBy(notes, (note) => note)].map(([note, same]) => [note, same.length]));
}
