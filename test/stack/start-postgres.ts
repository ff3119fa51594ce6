/** A program that starts a server, says where, and stays: for tests to kill. */
import { startPostgres } from '../../stack/postgres.ts';

const { port, dataDir } = await startPostgres({ settings: { fsync: 'off' } });
console.log(JSON.stringify({ port, dataDir }));
if (process.argv[2] === 'stay') setInterval(() => {}, 2 ** 30);
