import type { LoadClientOptions } from './load-client.ts';
import type { MeasuredProcess } from './measured-process.ts';
import type { Publish } from './steady-load.ts';
import type { Addressee } from './voucher-event.ts';

/** A gateway that is measured. */
export interface Contender {
  /** As it stands in front of its results; empty for our own, fed from Kafka. */
  readonly label: string;
  /** One of ours must not fail. */
  readonly isOurs: boolean;
  /** Starts it, for so many clients. */
  start(clients: number): Promise<StartedContender>;
}

export interface StartedContender extends AsyncDisposable {
  /** The gateway alone, without what feeds it. */
  readonly process: MeasuredProcess;
  /** One a client. */
  readonly addressees: readonly Addressee[];
  /** How an addressee connects and subscribes to its own events, in the order of `addressees`. */
  clientOptions(index: number): Omit<LoadClientOptions, 'onNext'>;
  /** Feeds it. */
  readonly publish: Publish;
}
