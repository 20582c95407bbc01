import { Tabs } from 'radix-ui';
import { useEffect, useRef } from 'react';
import { ApiButton } from '../api/api-button.tsx';
import { Brand } from '../brand.tsx';
import { SignInForm } from './sign-in-form.tsx';

/**
 * The first screen of a visitor: what the page is for, and how to start. `onFocus` is called when the visitor starts to
 * fill in the form.
 */
export function Welcome({ onFocus }: { onFocus(): void }) {
  useEffect(() => {
    document.title = 'Voucher gateway';
  }, []);
  const tabs = useRef<HTMLDivElement>(null);
  // Selects the tab by focusing it.
  const show = (mode: string) => tabs.current?.querySelector<HTMLElement>(`[data-mode="${mode}"]`)?.focus();
  return (
    <>
      <header className="top">
        <Brand />
        <ApiButton />
      </header>
      <main className="welcome" onFocus={onFocus}>
        <section>
          <h1>Request a voucher code. It comes to you.</h1>
          <p className="lead">
            The provider usually makes a code within 30 seconds. You can leave the page: the code appears here as soon
            as it is made, is posted to your server if you give a callback URL, and comes by SMS if it is late.
          </p>
          <ol className="timeline">
            <li data-state="step">
              <strong>Sign up</strong> with a username and a phone number.
            </li>
            <li data-state="step">
              <strong>Press “Request a voucher”.</strong>
            </li>
            <li data-state="step">
              <strong>Watch each step</strong>, and copy the code.
            </li>
          </ol>
        </section>
        <section className="card" aria-label="Account">
          <Tabs.Root defaultValue="sign-up">
            <Tabs.List ref={tabs} className="tabs" aria-label="Sign up or sign in">
              <Tabs.Trigger value="sign-up" data-mode="sign-up">
                Sign up
              </Tabs.Trigger>
              <Tabs.Trigger value="sign-in" data-mode="sign-in">
                Sign in
              </Tabs.Trigger>
            </Tabs.List>
            <Tabs.Content value="sign-up">
              <SignInForm mode="sign-up" onSwitch={() => show('sign-in')} />
            </Tabs.Content>
            <Tabs.Content value="sign-in">
              <SignInForm mode="sign-in" onSwitch={() => show('sign-up')} />
            </Tabs.Content>
          </Tabs.Root>
        </section>
      </main>
    </>
  );
}
