import { type CodedError, codedCause } from '@voucher-gateway/platform/errors';

/** What came of an operator's command. */
export interface CommandResult {
  /** False when something of what was asked was not done. */
  done: boolean;
  /** What to print. */
  message: string;
}

/**
 * Runs the command of a process and prints what came of it. The process exits with 0, with 1 when it was not done, or
 * with 2, and how it is used, when there is no such command.
 *
 * @param explain what to add to the message of a failure; default: nothing
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
