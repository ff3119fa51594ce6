/**
 * How a request to release a parked key arrives on the stream: as a row of outbox.heartbeat whose slot is the name of the
 * slot with this suffix, and whose beat is the id in outbox.key_release.
 */
export const releaseSuffix = '/release';
