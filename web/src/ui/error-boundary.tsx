import { Component, type ReactNode } from 'react';

/** If a component of the page throws, shows what the user can do. Without this component the page would be blank. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <main>
        <h1>This page has failed</h1>
        <p>Your requests and vouchers are safe: they are at the server. Load the page again to continue.</p>
        <button type="button" className="button primary" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
