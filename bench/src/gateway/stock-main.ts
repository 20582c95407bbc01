import { readFileSync } from 'node:fs';
import { ApolloGateway } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';

// Apollo Gateway behind Apollo Server, as their documentation sets them up. The benchmark sends a GET without headers
// to check that the gateway is ready.

const supergraphSdl = readFileSync(process.env.SUPERGRAPH ?? '', 'utf8');
const server = new ApolloServer({ gateway: new ApolloGateway({ supergraphSdl }), csrfPrevention: false });
await startStandaloneServer(server, { listen: { port: Number(process.env.PORT), host: '127.0.0.1' } });
