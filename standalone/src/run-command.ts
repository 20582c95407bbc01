import { type CodedError, codedCause } from '@voucher-gateway/platform/errors';

/** The result of an operator's command. */
export interface CommandResult {
  /** False if any part of the command was not done. */
  done: boolean;
  /** The text to print. */
  message: string;
}

/**
 * Runs an operator's command and prints its result. The exit code is 0 if everything was done, else 1. For an invalid
 * command it prints the usage and the code is 2.
 *
 * @param explain returns a text that is printed after the message of an error. Default: nothing is added
 */
export async function runCommand<Command>(
  command: Command | null,
  {
    usage,
    run,
    explain = () => '',
  }: { usage: string; run(command: Command): Promise<CommandResult>; explain?(error: CodedError): string },
): Promise<void> {
  if (!command) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  // Node's listener prints all warnings. The listener here does not print warnings about negative timers. They come
  // from kafkajs, where we can't fix the cause.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => {
    if (name !== 'TimeoutNegativeWarning') process.stderr.write(`${name}: ${message}\n`);
  });
  try {
    const { done, message } = await run(command);
    (done ? process.stdout : process.stderr).write(`${message}\n`);
    process.exitCode = done ? 0 : 1;
  } catch (error) {
    const coded = codedCause(error);
    if (!coded) throw error;
    process.stderr.write(`${coded.message}\n${explain(coded)}`);
    process.exitCode = 1;
  }
}
