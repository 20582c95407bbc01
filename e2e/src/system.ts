/** A running product, with the URLs by which users reach it. */
export interface System extends AsyncDisposable {
  readonly gatewayUrl: string;
  readonly vpsUrl: string;
  readonly integrationUrl: string;
}

/** Starts the whole product on free ports with separate data. `environment` has its settings. */
export type StartSystem = (environment?: Record<string, string>) => Promise<System>;

/** An installation, which has the same ports and data at each start. */
export interface Installation extends AsyncDisposable {
  start(): Promise<RunningSystem>;
}

/** A system in separate processes. */
export interface RunningSystem extends System {
  /** Sends every process the signal. Resolves when all have exited. */
  stop(signal: NodeJS.Signals): Promise<unknown>;
}

export type Install = (environment: Record<string, string>) => Promise<Installation>;
