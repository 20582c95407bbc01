import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './playground.css';
import { GraphiQL } from 'graphiql';
import { createRoot } from 'react-dom/client';
import { fetchOperation } from './fetch-operation.js';
import { sampleTabs } from './sample-tabs.js';
import { SignedIn } from './signed-in.jsx';

const tabs = sampleTabs();
// GraphiQL ignores the variables of the first default tab, so they are passed as `initialVariables`. On later visits,
// when tabs are stored, `initialVariables` would open another tab.
const isFirstVisit = localStorage.getItem('graphiql:tabState') === null;

createRoot(document.getElementById('playground')).render(
  <GraphiQL
    fetcher={fetchOperation}
    defaultTabs={tabs}
    initialVariables={isFirstVisit ? tabs[0].variables : undefined}
    defaultEditorToolsVisibility="variables"
  >
    <GraphiQL.Logo>Voucher gateway</GraphiQL.Logo>
    <GraphiQL.Footer>
      <SignedIn />
    </GraphiQL.Footer>
  </GraphiQL>,
);
