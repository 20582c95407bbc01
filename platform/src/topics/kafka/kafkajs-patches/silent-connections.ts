import { isIP, connect as openTcp, type Socket } from 'node:net';
import { connect as openTls } from 'node:tls';
import { type ISocketFactory, Kafka, type KafkaConfig, type RequestTimeoutEvent } from 'kafkajs';

const openSocket: ISocketFactory = ({ host, port, ssl, onConnect }) =>
  ssl
    ? openTls({ host, port, ...(!isIP(host) && { servername: host }), ...ssl }, onConnect)
    : openTcp({ host, port }, onConnect);
const keepAliveAfterMs = 60_000;

/**
 * Creates a Kafka client that closes silent connections, for example to a host that vanished. kafkajs alone would use
 * them until TCP times out, after 15 minutes. When a request times out, a connection to the same broker is silent if it
 * has received nothing since the request was sent.
 */
export function createKafka({ socketFactory = openSocket, ...config }: KafkaConfig): Kafka {
  const open = new Map<Socket, { broker: string; readAtMs: number }>();
  const closeSilent = ({ payload: { broker, sentAt, apiName } }: RequestTimeoutEvent) => {
    for (const [socket, connection] of open)
      if (connection.broker === broker && connection.readAtMs < sentAt)
        socket.destroy(new Error(`nothing was received since the request ${apiName}`));
  };
  return new (class extends Kafka {
    override admin(...options: Parameters<Kafka['admin']>) {
      const admin = super.admin(...options);
      admin.on(admin.events.REQUEST_TIMEOUT, closeSilent);
      return admin;
    }
    override producer(...options: Parameters<Kafka['producer']>) {
      const producer = super.producer(...options);
      producer.on(producer.events.REQUEST_TIMEOUT, closeSilent);
      return producer;
    }
    override consumer(...options: Parameters<Kafka['consumer']>) {
      const consumer = super.consumer(...options);
      consumer.on(consumer.events.REQUEST_TIMEOUT, closeSilent);
      return consumer;
    }
  })({
    ...config,
    socketFactory(target) {
      const socket = socketFactory(target);
      socket.setKeepAlive(true, keepAliveAfterMs);
      const connection = { broker: `${target.host}:${target.port}`, readAtMs: Date.now() };
      open.set(socket, connection);
      socket.on('data', () => {
        connection.readAtMs = Date.now();
      });
      socket.once('close', () => open.delete(socket));
      return socket;
    },
  });
}
