import type { GraphQLFormattedError } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { GatewayContext } from '../context.ts';
import type { PrimaryAnswer } from './execute-event.ts';
import { type SharedHost, SharedSubscription } from './shared-subscription.ts';

const context = {} as GatewayContext;
const event = (value: string) => ({ id: value, answer: { value, cursor: value } });
const failed = [{ message: 'failed' }];

/** A shared subscription whose events the test answers, with one member. */
function setUp(answer: SharedHost['answer']) {
  const ended = Promise.withResolvers<readonly GraphQLFormattedError[] | undefined>();
  const next: string[] = [];
  const host: SharedHost = { open: () => ({ [Symbol.dispose]() {} }), answer, failure: () => failed, onEnd() {} };
  const shared = new SharedSubscription(host, 'ann', 'ann');
  const join = (onNext: (answer: string) => void) =>
    shared.join({ next: onNext, end: ended.resolve, flushed: async () => {} }, context);
  return { shared, join, member: join((answered) => next.push(answered)), next, ended: ended.promise };
}

const textOf = (answer: PrimaryAnswer) => ('value' in answer ? String(answer.value) : '');

describe('shared subscription', () => {
  // A host that threw left a rejection that nobody handled, or a subscription that never answered again.
  it.each<[string, SharedHost['answer']]>([
    [
      'at once',
      () => {
        throw new Error('no plan');
      },
    ],
    ['later', () => Promise.reject(new Error('no plan'))],
    [
      'at once, on an event that waited',
      (answer) => {
        if (textOf(answer) === 'first') return Promise.resolve('answer');
        throw new Error('no plan');
      },
    ],
  ])('ends with the failure of a host that throws %s', async (_when, answer) => {
    const { shared, ended } = setUp(answer);
    shared.push(event('first'));
    shared.push(event('second'));
    expect(await ended).toBe(failed);
    shared.push(event('third'));
  });

  it.each([
    ['at once', (answer: PrimaryAnswer) => textOf(answer)],
    ['later', async (answer: PrimaryAnswer) => textOf(answer)],
  ])('ends with the failure of a member that throws on an answer that comes %s', async (_when, answer) => {
    const { shared, join, ended } = setUp(answer);
    join(() => {
      throw new Error('no socket');
    });
    shared.push(event('first'));
    expect(await ended).toBe(failed);
  });

  it('answers events in order, however long each takes', async () => {
    const first = Promise.withResolvers<string>();
    const { shared, next, ended } = setUp((answer) => (textOf(answer) === 'first' ? first.promise : textOf(answer)));
    shared.push(event('first'));
    shared.push(event('second'));
    shared.complete();
    first.resolve('first');
    expect(await ended).toBeUndefined();
    expect(next).toEqual(['first', 'second']);
  });
});
