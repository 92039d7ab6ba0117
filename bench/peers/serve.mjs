// What the peers have in common: one process per core, as Node is run in production, and an address once all of them listen.
//
// DATABASE_URL    the database, as its owner: no row security
// TENANT          id of the one tenant in it
// PROCESSES       how many processes share the port
// CONNECTIONS     to Postgres, all processes together
import cluster from 'node:cluster';

const processes = Number(process.env.PROCESSES);

/** Connections to Postgres of this process. */
export const connections = Math.ceil(Number(process.env.CONNECTIONS) / processes);

/** Calls `start` with a port and a host in each process. */
export function serve(start) {
  if (cluster.isWorker) return start({ port: 0, host: '127.0.0.1' });
  let listening = 0;
  cluster.on('listening', (_, address) => {
    if (++listening === processes) console.log(`ready at http://127.0.0.1:${address.port}`);
  });
  cluster.on('exit', () => process.exit(1));
  for (let n = 0; n < processes; n++) cluster.fork();
  // Whoever started it is gone.
  process.stdin.resume().on('end', () => process.exit());
}
