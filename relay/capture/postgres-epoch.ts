/** Microseconds from 1970-01-01 to 2000-01-01, where Postgres's times begin. */
export const postgresEpochMicros = 946_684_800_000_000n;
