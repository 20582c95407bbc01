/** Everything that runs, as its users reach it. */
export interface System extends AsyncDisposable {
  readonly gatewayUrl: string;
  readonly vpsUrl: string;
  readonly integrationUrl: string;
}

/** Boots the whole product on free ports with data of its own. `environment` sets what it is told. */
export type StartSystem = (environment?: Record<string, string>) => Promise<System>;

/** Ports and data of one installation, the same at each start. */
export interface Installation extends AsyncDisposable {
  start(): Promise<RunningSystem>;
}

/** A system in processes of its own. */
export interface RunningSystem extends System {
  /** Sends every process the signal; resolves when all are gone. */
  stop(signal: NodeJS.Signals): Promise<unknown>;
}

export type Install = (environment: Record<string, string>) => Promise<Installation>;
