/** Owns the three servers together: started in parallel, or the ones that the environment names. */
import { serverSource } from './fetch.ts';
import { type Kafka, type KafkaOptions, startKafka } from './kafka.ts';
import { type Postgres, type PostgresOptions, startPostgres } from './postgres.ts';
import type { Progress } from './progress.ts';
import { type Registry, type RegistryOptions, startRegistry } from './registry.ts';
import { openRun, type Run } from './run.ts';

export type StackOptions = {
  /** `test`: quick to start, and nothing survives a power cut. `demo` and `bench`: as in production; `demo` with its registry too. */
  readonly purpose: 'test' | 'demo' | 'bench';
  readonly postgres?: Omit<PostgresOptions, 'run'>;
  readonly kafka?: Omit<KafkaOptions, 'run'>;
  readonly registry?: Omit<RegistryOptions, 'run'>;
  readonly onProgress?: Progress;
};

export type Stack = AsyncDisposable & {
  readonly databaseUrl: string;
  readonly brokers: string[];
  readonly registryUrl: string;
  /** Undefined where `DATABASE_URL` names a server that is not ours to stop. */
  readonly postgres: Postgres | undefined;
  /** Undefined where `KAFKA_BROKERS` does. */
  readonly kafka: Kafka | undefined;
  /** Undefined where `SCHEMA_REGISTRY_URL` does. */
  readonly registry: Registry | undefined;
  /** Ends what was started here and removes its data. May be called twice. */
  stop(): Promise<void>;
};

/** Starts what the environment does not name; if one part fails, the others are stopped and its error is thrown. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const run = await openRun();
  try {
    return await start(options, run);
  } catch (error) {
    await run.end();
    throw error;
  }
}

async function start(options: StackOptions, run: Run): Promise<Stack> {
  const { DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = process.env;
  const quickStart = options.purpose === 'test';
  const shared = { run, ...(options.onProgress ? { onProgress: options.onProgress } : {}) };
  // Not for tests: Apicurio cannot exempt one subject, so a test of what is incompatible could not register it.
  const level = options.purpose === 'demo' ? ({ level: 'BACKWARD' } as const) : {};
  const unsafe: Record<string, string> = quickStart ? { fsync: 'off', full_page_writes: 'off' } : {};
  const settings = { ...unsafe, ...options.postgres?.settings };

  const given = { DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL };
  for (const [name, value] of Object.entries(given))
    if (value) options.onProgress?.(`using the server of ${name}, which is set`);

  // What is missing is said before anything is downloaded.
  if (!KAFKA_BROKERS || !SCHEMA_REGISTRY_URL) await serverSource(options.onProgress);
  const [postgres, kafka, registry] = await allOrFirstFailure(
    DATABASE_URL ? undefined : startPostgres({ ...shared, ...options.postgres, settings }),
    KAFKA_BROKERS ? undefined : startKafka({ ...shared, quickStart, ...options.kafka }),
    SCHEMA_REGISTRY_URL ? undefined : startRegistry({ ...shared, quickStart, ...level, ...options.registry }),
  );
  const stack: Stack = {
    databaseUrl: postgres?.url ?? DATABASE_URL ?? '',
    brokers: kafka?.brokers ?? (KAFKA_BROKERS ?? '').split(',').map((address) => address.trim()),
    registryUrl: registry?.url ?? SCHEMA_REGISTRY_URL ?? '',
    postgres,
    kafka,
    registry,
    async stop() {
      await Promise.all([postgres?.stop(), kafka?.stop(), registry?.stop()]);
      await run.end();
    },
    [Symbol.asyncDispose]() {
      return stack.stop();
    },
  };
  return stack;
}

/** As `Promise.all`, but rejects only when all have settled: none goes on starting behind the caller's back. */
async function allOrFirstFailure<A, B, C>(
  a: Promise<A> | undefined,
  b: Promise<B> | undefined,
  c: Promise<C> | undefined,
): Promise<[A | undefined, B | undefined, C | undefined]> {
  await Promise.allSettled([a, b, c]);
  return [await a, await b, await c];
}
