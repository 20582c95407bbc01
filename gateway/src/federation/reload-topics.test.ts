import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { parcelSupergraph } from '../testing/supergraphs/parcel-supergraph.ts';

describe('reload: topics', () => {
  const found = `extend type Subscription {
    found(parcel: ID): Loss! @topic(name: "parcel-found", match: "customer", claim: "customer")
  }`;

  it('that it adds are read, and those that it removes are not', async () => {
    await using gateway = await startTestGateway();
    const before = gateway.tails();
    await gateway.reload(parcelSupergraph({ more: found }));
    expect(gateway.tails()).toEqual([...before, 'parcel-found']);
    await gateway.reload(parcelSupergraph());
    expect(gateway.tails()).toEqual(before);
  });

  it('are those of the last of concurrent reloads', async () => {
    await using gateway = await startTestGateway();
    const before = gateway.tails();
    const sdls = [{ more: found }, {}, { more: found }, {}].map((options) => parcelSupergraph(options));
    await Promise.all(sdls.map((sdl) => gateway.reload(sdl)));
    expect(gateway.tails()).toEqual(before);
  });
});
