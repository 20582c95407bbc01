import { randomUUID } from 'node:crypto';
import type { Topic } from '@voucher-gateway/platform/topics';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { z } from 'zod';
import type { Move } from './parcel-supergraph.ts';

/** The topic of `Subscription.moved`. */
export const parcelMoved: Topic<Move> = {
  name: 'parcel-moved',
  schema: z.custom<Move>(),
  key: (move) => move.customer,
};

/** A subscription with fields of the subgraphs `tracking` (`place`) and `people` (`name`). */
export const moved = 'subscription { moved { cursor node { place recipient { name } } } }';

/** Creates a move of Ann's parcel to Hue, with the recipient Bob. */
export function move(id: string, over: Partial<Move> = {}): Move {
  return { id, parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' }, ...over };
}

/** Creates a move to a place, with a new id and the recipient Ann. */
export function moveTo(place: string, over: Partial<Move> = {}): Move {
  return move(randomUUID(), { place, recipient: { id: 'ann' }, ...over });
}

/** Returns the result of `moved` for `move(id)`. */
export function movedResult(id: string) {
  return {
    data: { moved: { cursor: encodeCursor(id), node: { place: 'Hue', recipient: { name: 'name of bob' } } } },
  };
}
