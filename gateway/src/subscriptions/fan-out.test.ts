import type { GraphQLFormattedError } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { GatewayContext } from '../context.ts';
import { FanOut, type FanOutOptions } from './fan-out.ts';
import type { RootFieldResult } from './plan/execute-event.ts';

const context = {} as GatewayContext;
const event = (value: string) => ({ id: value, result: { value, cursor: value } });
const failed = [{ message: 'failed' }];

/** Creates a fan-out with one member. `execute` replaces the execution of events. */
function setUp(execute: FanOutOptions['execute']) {
  const ended = Promise.withResolvers<readonly GraphQLFormattedError[] | undefined>();
  const next: string[] = [];
  const open = () => ({ [Symbol.dispose]() {} });
  const fanOut = new FanOut({ open, execute, formatErrors: () => failed, onEnd() {} }, 'ann', 'ann');
  const join = (onNext: (json: string) => void) =>
    fanOut.join({ next: onNext, end: ended.resolve, flushed: async () => {} }, context);
  return { fanOut, join, member: join((json) => next.push(json)), next, ended: ended.promise };
}

const textOf = (result: RootFieldResult) => ('value' in result ? String(result.value) : '');

describe('fan-out', () => {
  // Regression: if an execution threw, the rejection was unhandled, or the fan-out sent no more results.
  it.each<[string, FanOutOptions['execute']]>([
    [
      'at once',
      () => {
        throw new Error('no plan');
      },
    ],
    ['later', () => Promise.reject(new Error('no plan'))],
    [
      'at once, on a waiting event',
      (result) => {
        if (textOf(result) === 'first') return Promise.resolve('answer');
        throw new Error('no plan');
      },
    ],
  ])('ends with the error of an execution that throws %s', async (_when, execute) => {
    const { fanOut, ended } = setUp(execute);
    fanOut.push(event('first'));
    fanOut.push(event('second'));
    expect(await ended).toBe(failed);
    fanOut.push(event('third'));
  });

  it.each([
    ['at once', (result: RootFieldResult) => textOf(result)],
    ['later', async (result: RootFieldResult) => textOf(result)],
  ])('ends with the error of a member that throws on a result that comes %s', async (_when, execute) => {
    const { fanOut, join, ended } = setUp(execute);
    join(() => {
      throw new Error('no socket');
    });
    fanOut.push(event('first'));
    expect(await ended).toBe(failed);
  });

  it('sends results in order, however long each takes', async () => {
    const first = Promise.withResolvers<string>();
    const { fanOut, next, ended } = setUp((result) => (textOf(result) === 'first' ? first.promise : textOf(result)));
    fanOut.push(event('first'));
    fanOut.push(event('second'));
    fanOut.complete();
    first.resolve('first');
    expect(await ended).toBeUndefined();
    expect(next).toEqual(['first', 'second']);
  });
});
