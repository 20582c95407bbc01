import { useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { operationErrorOf } from '../graphql/errors.ts';
import { EnableEndpointDocument, EndpointsDocument, type EndpointsQuery } from '../graphql/generated.ts';
import { LoadNotice } from '../live/load-notice.tsx';
import { useLiveQuery } from '../live/use-live-query.ts';
import { ListState } from '../ui/list-state.tsx';
import { useMessages } from '../ui/messages.tsx';
import { EmptyState, Skeleton } from '../ui/notice.tsx';
import { dayText, timeText } from '../ui/time-text.ts';

/** The order of the endpoints by their state. Endpoints that the user has to fix are first. */
const rankOf = { DISABLED: 0, FAILING: 1, ACTIVE: 2 } as const;

type Endpoint = NonNullable<NonNullable<EndpointsQuery['me']>['endpoints']>[number];

/** Lists the servers to which callbacks were sent, with the state of each. */
export function EndpointList() {
  const client = useClient();
  const { show } = useMessages();
  const { data, error, reread } = useLiveQuery({ query: EndpointsDocument, variables: {} });
  const retry = () => void reread();
  const enable = async (url: string) => {
    const result = await client.mutation(EnableEndpointDocument, { url });
    if (result.error) return show({ kind: 'failed', text: operationErrorOf(result.error).message });
    show({ kind: 'done', text: 'Sending is resumed. What it missed is sent by “Recover failed deliveries”, below.' });
    retry();
  };
  const endpoints = data?.me?.endpoints?.toSorted((one, other) => rankOf[one.state] - rankOf[other.state]);
  const toEnable = endpoints?.find(({ state }) => state === 'DISABLED')?.origin ?? 'https://your-server.example';
  useCommands([
    { label: 'List the endpoints', document: EndpointsDocument },
    { label: 'Resume sending to an endpoint', document: EnableEndpointDocument, variables: { url: toEnable } },
  ]);
  return (
    <section className="card" aria-labelledby="endpoints">
      <div className="list-head">
        <h2 id="endpoints">Endpoints</h2>
        <ListState error={data && error} onRetry={retry} />
      </div>
      <p className="hint">The servers that your callbacks were sent to, and whether they answer.</p>
      {error && !data && <LoadNotice what="your endpoints" error={error} onRetry={retry} />}
      {!data && !error && <Skeleton rows={2} label="Reading your endpoints" />}
      {data && !endpoints && (
        <p className="hint">Your endpoints can’t be shown at the moment. Callbacks are sent all the same.</p>
      )}
      {endpoints?.length === 0 && (
        <EmptyState title="No voucher callbacks yet">
          Each server that a voucher’s callback was sent to is listed here. Test callbacks don’t count.
        </EmptyState>
      )}
      <ul className="rows">
        {endpoints?.map((endpoint) => (
          <li key={endpoint.origin} className="endpoint">
            <code>{endpoint.origin}</code>
            <EndpointState endpoint={endpoint} />
            {endpoint.state === 'DISABLED' && (
              <button type="button" className="button" onClick={() => enable(endpoint.origin)}>
                Resume sending
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function EndpointState({ endpoint: { state, failingSince, disabledAt, lastSuccessAt } }: { endpoint: Endpoint }) {
  const time = (instant: string) => timeText(Date.parse(instant));
  switch (state) {
    case 'ACTIVE':
      return (
        <>
          <span className="hint">{lastSuccessAt && `It last accepted a callback at ${time(lastSuccessAt)}.`}</span>
          <span className="chip done">Working</span>
        </>
      );
    case 'FAILING':
      return (
        <>
          <span className="hint">
            {failingSince && `Every attempt has failed since ${time(failingSince)}. It is tried again by itself.`}
          </span>
          <span className="chip pending">Retrying</span>
        </>
      );
    case 'DISABLED':
      return (
        <>
          <span className="hint">
            Nothing is sent to it
            {disabledAt && (
              <>
                {' '}
                since <Day of={disabledAt} />
              </>
            )}
            {failingSince && (
              <>
                , because every attempt had failed since <Day of={failingSince} />
              </>
            )}
            . Once it works, press “Resume sending”. What it missed is not sent by itself: use “Recover failed
            deliveries”, below.
          </span>
          <span className="chip failed">Switched off</span>
        </>
      );
  }
}

const Day = ({ of: instant }: { of: string }) => <time dateTime={instant}>{dayText(new Date(instant))}</time>;
