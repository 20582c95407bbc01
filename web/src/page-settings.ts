/** The settings that the gateway passes to the page in a `meta` element. */
export interface PageSettings {
  /** Whether the gateway has the built-in callback receiver (development). */
  testReceiver: boolean;
  /** Whether the gateway serves the playground. */
  playground: boolean;
}

const content = document.querySelector<HTMLMetaElement>('meta[name="page-settings"]')?.content;

export const pageSettings: PageSettings = { testReceiver: false, playground: false, ...JSON.parse(content || '{}') };
