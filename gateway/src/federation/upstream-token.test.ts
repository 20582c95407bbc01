import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted, startGreetingServer } from '../testing/servers/greeting-server.ts';

describe('upstream: the token', () => {
  const sameUser = { sub: randomUUID(), phone_number: '+84909000001' };

  // Regression: reconnects used the first subscriber's token, even after that subscriber had left.
  it('is that of a current subscriber', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
    const { token: leaving } = await gateway.signIn('ann', sameUser);
    const { token: staying } = await gateway.signIn('ann', sameUser);
    const first = listen(gateway.connect(leaving).client, greeted);
    const answers = [first.next()];
    await greetings.untilStreams(1);
    const second = listen(gateway.connect(staying).client, greeted);
    answers.push(second.next());
    await gateway.untilSubscribed(2);
    await first.stop();
    await gateway.untilSubscribed(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    greetings.greet('again');
    expect(await answers[1]).toEqual({ data: { hi: { text: 'again', by: null } } });
    expect(greetings.requested.map(({ authorization }) => authorization)).toEqual([leaving, staying]);
  });

  it('is the one that expires last', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
    const expiring = (seconds: number) =>
      gateway.signIn('ann', { ...sameUser, exp: Math.floor(gateway.clock.now() / 1_000) + seconds });
    const tokens = [(await expiring(100)).token, (await expiring(500)).token, (await expiring(300)).token];
    for (const [index, token] of tokens.entries()) {
      void listen(gateway.connect(token).client, greeted).next();
      await gateway.untilSubscribed(index + 1);
    }
    await greetings.untilStreams(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    expect(greetings.requested.map(({ authorization }) => authorization)).toEqual([tokens[0], tokens[1]]);
  });
});
