import { pageSettings } from '../page-settings.ts';
import { EndpointList } from './endpoint-list.tsx';
import { ReceiverView } from './receiver-view.tsx';
import { RecoverCard } from './recover-card.tsx';
import { SecretCard } from './secret-card.tsx';
import { TestCallback } from './test-callback.tsx';

/** The view for users who run a server that receives callbacks. */
export function CallbacksPage() {
  return (
    <>
      <h1>Callbacks</h1>
      <p className="lead">
        For people who run a server that receives the codes, each as a signed POST. Everyone else can skip this page.
      </p>
      <div className="callbacks">
        <TestCallback />
        {pageSettings.testReceiver ? (
          <ReceiverView />
        ) : (
          <div className="empty tall receiver">
            <strong>Your server receives callbacks</strong>
            <p>Give its URL when you request a voucher; each attempt is shown in the request’s timeline.</p>
          </div>
        )}
        <EndpointList />
        <SecretCard />
        <RecoverCard />
      </div>
    </>
  );
}
