import type { Browser, Page, Route } from 'playwright-core';
import type { System } from '../system.ts';
import { openVisitor, type Visitor } from './browser.ts';
import { type PageUser, signUp, untilLive } from './user.ts';

/** Lets `handle` respond to the page's GraphQL operation of this name. */
export const onOperation = (page: Page, name: string, handle: (route: Route) => Promise<void>) =>
  page.route('**/graphql', (route) =>
    route.request().postData()?.includes(`"operationName":"${name}"`) ? handle(route) : route.fallback(),
  );

export const answer = (body: object) => (route: Route) =>
  route.fulfill({ contentType: 'application/json', json: body });

/** The gateway's response when the subgraph of the operation is not available. */
export const away = answer({
  errors: [{ message: 'The subgraph is not available', extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }],
});

/** Opens the page as a new user. */
export async function openUser({
  browser,
  system,
}: {
  browser: Browser;
  system: System;
}): Promise<Visitor & { user: PageUser }> {
  const visitor = await openVisitor(browser, system.gatewayUrl);
  const user = await signUp(visitor.page);
  await untilLive(visitor.page);
  return { ...visitor, user };
}
