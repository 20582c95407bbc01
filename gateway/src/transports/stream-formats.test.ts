import { describe, expect, it } from 'vitest';
import {
  deferredMultipart,
  deferredServerSentEvents,
  multipart,
  negotiateFormats,
  serverSentEvents,
} from './stream-formats.ts';

const nameOf = (format: unknown) =>
  format === serverSentEvents || format === deferredServerSentEvents
    ? 'events'
    : format === multipart
      ? 'multipart'
      : format === deferredMultipart
        ? 'parts'
        : format;

describe('Accept header', () => {
  const negotiate = (header?: string) => {
    const { subscription, answer } = negotiateFormats(header);
    return [nameOf(subscription), nameOf(answer)];
  };

  it.each([
    // Each case: header, format of a subscription, format of a query.
    [undefined, null, 'json'],
    ['', null, 'json'],
    ['*/*', null, 'json'],
    ['text/*', null, 'json'],
    ['application/json', null, 'json'],
    ['text/event-stream', 'events', 'events'],
    ['TEXT/Event-Stream', 'events', 'events'],
    ['text/event-stream;charset=utf-8', 'events', 'events'],
    ['multipart/mixed;deferSpec=20220824,application/json', null, 'json'],
    ['multipart/mixed;subscriptionSpec="1.0"', 'multipart', null],
    ['multipart/mixed;boundary=-;subscriptionSpec=1.0, text/event-stream', 'multipart', 'events'],
    ['multipart/mixed;subscriptionSpec=1.0;q=0.5, text/event-stream;q=0.6', 'events', 'events'],
    ['multipart/mixed', null, 'json'],
    // order and quality
    ['text/event-stream, application/json', 'events', 'events'],
    ['application/json, text/event-stream', 'events', 'json'],
    ['text/event-stream;q=0.9, application/json', 'events', 'json'],
    ['application/json;q=0.1, text/event-stream;q=0.2', 'events', 'events'],
    ['text/event-stream;q=0.5, */*', 'events', 'json'],
    ['text/event-stream;q=0, application/json', null, 'json'],
    ['text/event-stream;q=0', null, null],
    // headers that no client sends
    ['text/event-stream;q=nonsense', null, null],
    [', ;;, /, text/event-stream', 'events', 'events'],
    ['"text/event-stream', null, 'json'],
  ])('%s', (header, subscription, answer) => {
    expect(negotiate(header)).toEqual([subscription, answer]);
  });

  it.each([
    [
      'urql’s queries',
      'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
      'events',
      'json',
    ],
    ['urql’s subscriptions', 'text/event-stream, multipart/mixed', 'events', 'events'],
    ['Apollo Client’s queries', 'application/graphql-response+json,application/json;q=0.9', null, 'json'],
    [
      'Apollo Client’s subscriptions',
      'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json',
      'multipart',
      'json',
    ],
  ])('of %s', (_what, header, subscription, answer) => {
    expect(negotiate(header)).toEqual([subscription, answer]);
  });

  it.each([
    // Each case: header, format of a query with @defer.
    [undefined, null],
    ['application/json', null],
    ['multipart/mixed', null],
    ['multipart/mixed;subscriptionSpec=1.0', null],
    ['multipart/mixed;deferSpec=20990101', null],
    ['multipart/mixed;deferSpec=20220824', 'parts'],
    ['multipart/mixed;deferSpec="20220824", application/json', 'parts'],
    ['multipart/mixed;deferSpec=20220824;q=0, application/json', null],
    ['application/json, text/event-stream', 'events'],
    ['text/event-stream, multipart/mixed;deferSpec=20220824', 'parts'],
    ['multipart/mixed;deferSpec=20220824, text/event-stream', 'parts'],
    ['text/event-stream;q=0.5, multipart/mixed;deferSpec=20220824', 'parts'],
  ])('%s, with @defer', (header, deferred) => {
    expect(nameOf(negotiateFormats(header).deferred)).toBe(deferred);
  });

  it.each([
    [200, 'events', 'events'],
    [4_000, null, 'json'],
  ])('with %d unknown types before the stream’s', (count, subscription, answer) => {
    expect(negotiate(`${'a/b,'.repeat(count)}text/event-stream`)).toEqual([subscription, answer]);
  });
});
