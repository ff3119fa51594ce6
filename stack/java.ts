/** Owns what the machine has to run the Java servers: Java and Maven, or a Docker engine. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Kafka 4 runs its broker on Java 17 or newer. */
const oldestJava = 17;

/** The `java` to start: that of `JAVA_HOME`, else the one on the path. */
export function javaCommand(): string {
  const home = process.env.JAVA_HOME;
  return home ? path.join(home, 'bin', 'java') : 'java';
}

/** What `java -version` prints; undefined where there is none. */
export function javaVersion(): Promise<string | undefined> {
  return outputOf(javaCommand(), ['-version']);
}

/** What is missing to run Java servers, as one line for a person; undefined when nothing is. */
export async function missingJava(): Promise<string | undefined> {
  const output = await javaVersion();
  const major = Number(/version "(\d+)/.exec(output ?? '')?.[1] ?? 0);
  if (major >= oldestJava) return undefined;
  const found = output === undefined ? 'none was found' : `version ${major} was found`;
  return `Java ${oldestJava} or newer is required, but ${found}: install OpenJDK ${oldestJava}+ (package openjdk-17-jre-headless on Debian, openjdk@17 in Homebrew)`;
}

/** What is missing to fetch them, as one line; undefined when nothing is. */
export async function missingMaven(): Promise<string | undefined> {
  if ((await outputOf('mvn', ['--version'])) !== undefined) return undefined;
  return 'Maven is required to download Kafka and the schema registry: install it (package maven on Debian and in Homebrew)';
}

/** Whether a Docker engine answers. */
export async function dockerRuns(): Promise<boolean> {
  return (await outputOf('docker', ['info'])) !== undefined;
}

/** What the program printed on both outputs; undefined when it is missing or failed. */
async function outputOf(command: string, args: string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await execFileAsync(command, args, { timeout: 20_000 });
    return `${stdout}${stderr}`;
  } catch {
    return undefined;
  }
}
