import type { ApolloServerPlugin } from '@apollo/server';
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import type { Log } from '../process/log.ts';

/** Disables Apollo Server's reporting to Apollo, and its landing page, even if the environment has an Apollo key. */
export function apolloReportingDisabled(): ApolloServerPlugin[] {
  return [
    ApolloServerPluginUsageReportingDisabled(),
    ApolloServerPluginSchemaReportingDisabled(),
    ApolloServerPluginInlineTraceDisabled(),
    ApolloServerPluginLandingPageDisabled(),
  ];
}

/** Adapts our log to Apollo's logger interface. */
export function apolloLogger(log: Log) {
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message?: unknown) => log[level]({}, String(message));
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}
