import type { LoadClientOptions } from '../load/load-client.ts';
import type { Publish } from '../load/steady-load.ts';
import type { Addressee } from '../load/voucher-event.ts';
import type { MeasuredProcess } from '../processes/measured-process.ts';

/** A measured gateway. */
export interface Contender {
  /** Prefix in the names of the gateway's results; empty for our gateway with Kafka. */
  readonly label: string;
  /** Whether it is our gateway, which must not fail. */
  readonly isOurs: boolean;
  /** Starts the gateway for this many clients. */
  start(clients: number): Promise<StartedContender>;
}

export interface StartedContender extends AsyncDisposable {
  /** The process of the gateway, without its source of events. */
  readonly process: MeasuredProcess;
  /** The receivers of events, one per client. */
  readonly addressees: readonly Addressee[];
  /** Options with which an addressee connects and subscribes to its events, by index in `addressees`. */
  clientOptions(index: number): Omit<LoadClientOptions, 'onNext'>;
  /** Publishes events to the gateway. */
  readonly publish: Publish;
}
