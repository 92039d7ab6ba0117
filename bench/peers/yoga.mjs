// GraphQL Yoga, which keeps parsed and validated documents by default, with nothing that a page does not need.
import { serve } from './serve.mjs';

serve(async ({ port, host }) => {
  const { createServer } = await import('node:http');
  const { createSchema, createYoga } = await import('graphql-yoga');
  const { context, resolvers, typeDefs } = await import('./pages.mjs');
  const schema = createSchema({ typeDefs, resolvers });
  const yoga = createYoga({ schema, context, logging: false, graphiql: false, landingPage: false });
  createServer(yoga).listen(port, host);
});
