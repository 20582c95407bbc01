import { type CodedError, codedCause } from '@voucher-gateway/platform/errors';

/** The result of an operator's command. */
export interface CommandResult {
  /** False if any part of the command was not done. */
  done: boolean;
  /** The text to print. */
  message: string;
}

/**
 * Runs the command of a process and prints its result. The exit code is 0, or 1 if it was not done, or 2 for an invalid
 * command, for which it prints the usage.
 *
 * @param explain returns a text to add to the message of a failure. Default: none
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
  // Node prints the warnings of libraries for developers. kafkajs's negative timers can't be fixed here.
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
