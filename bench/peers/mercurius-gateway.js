import mercuriusGateway from '@mercuriusjs/gateway';
import Fastify from 'fastify';
import { userTypes, voucherTypes } from './schema.js';

const app = Fastify();
app.register(mercuriusGateway, {
  subscription: true,
  gateway: {
    services: [
      {
        name: 'voucher',
        url: `${process.env.SUBGRAPH_URL}/graphql`,
        wsUrl: `${process.env.SUBGRAPH_URL.replace('http', 'ws')}/graphql`,
        schema: voucherTypes(),
      },
      // The gateway never calls this subgraph, because each event already contains all fields that the clients select.
      { name: 'user', url: 'http://127.0.0.1:9/graphql', schema: userTypes },
    ],
  },
});
app.get('/ready', () => 'ready');
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
