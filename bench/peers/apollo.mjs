// Apollo Server, alone and as it comes: it keeps parsed and validated documents.
import { serve } from './serve.mjs';

serve(async listen => {
  const { ApolloServer } = await import('@apollo/server');
  const { startStandaloneServer } = await import('@apollo/server/standalone');
  const { ApolloServerPluginLandingPageDisabled } = await import('@apollo/server/plugin/disabled');
  const { context, resolvers, typeDefs } = await import('./pages.mjs');
  const server = new ApolloServer({ typeDefs, resolvers, introspection: false, plugins: [ApolloServerPluginLandingPageDisabled()] });
  await startStandaloneServer(server, { listen, context: async () => context() });
});
