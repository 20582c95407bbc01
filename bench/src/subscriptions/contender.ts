import type { LoadClientOptions } from '../load/load-client.ts';
import type { Publish } from '../load/steady-load.ts';
import type { Addressee } from '../load/voucher-event.ts';
import type { MeasuredProcess } from '../processes/measured-process.ts';

/** A measured gateway. */
export interface Contender {
  /** Prefix in the names of the gateway's results; empty for our gateway with Kafka. */
  readonly label: string;
  /** Whether it is our gateway. An error of our gateway ends the benchmark. */
  readonly isOurs: boolean;
  /** Starts the gateway. `clients` is the number of clients that will connect. */
  start(clients: number): Promise<StartedContender>;
}

export interface StartedContender extends AsyncDisposable {
  /** The process of the gateway. Where events come from another process, that process is not included. */
  readonly process: MeasuredProcess;
  /** The receivers of events, one per client. */
  readonly addressees: readonly Addressee[];
  /** Options with which an addressee connects and subscribes. `index` is the index of the addressee in `addressees`. */
  clientOptions(index: number): Omit<LoadClientOptions, 'onNext'>;
  /** Publishes events to the gateway. */
  readonly publish: Publish;
}
