// PostGraphile on the tables as they are: its own schema of them, its own planning, prepared statements by default.
import { connections, serve } from './serve.mjs';

serve(async ({ port, host }) => {
  const { createServer } = await import('node:http');
  const { postgraphile } = await import('postgraphile');
  const { makePgService } = await import('postgraphile/adaptors/pg');
  const { grafserv } = await import('postgraphile/grafserv/node');
  const { PostGraphileAmberPreset } = await import('postgraphile/presets/amber');
  const preset = {
    extends: [PostGraphileAmberPreset],
    pgServices: [
      makePgService({
        connectionString: process.env.DATABASE_URL,
        schemas: ['public'],
        pubsub: false,
        poolConfig: { max: connections, min: connections, idleTimeoutMillis: 0 },
      }),
    ],
    grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
    grafast: { explain: false },
  };
  const server = createServer();
  await postgraphile(preset).createServ(grafserv).addTo(server);
  server.listen(port, host);
});
