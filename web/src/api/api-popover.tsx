import { pageSettings } from '../page-settings.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { type Command, curlOf, operationOf } from '../ui/curl.ts';
import { PopoverButton } from '../ui/popover.tsx';
import { useCommandsOnScreen } from './commands.tsx';

/** Lists the operations of the screen, each as a command to copy. The popover is open when it is first shown. */
export default function ApiPopover() {
  return (
    <PopoverButton className="top-button" label="API" title="Use the API" defaultOpen>
      <Commands />
    </PopoverButton>
  );
}

function Commands() {
  const commands = useCommandsOnScreen();
  return (
    <>
      <p className="hint">Each operation of this screen as a cURL command. {needsToken(commands) && tokenHint}</p>
      <ul className="commands">
        {commands.map((command) => (
          <li key={command.label}>
            <CopyButton className="command" label="Copy" text={() => curlOf(command)}>
              <span>
                {command.label}
                <OperationName command={command} />
              </span>
            </CopyButton>
          </li>
        ))}
      </ul>
      {pageSettings.playground && (
        <p className="hint">
          Or write your own in the <a href="/graphql">playground</a>.
        </p>
      )}
    </>
  );
}

const needsToken = (commands: readonly Command[]) => commands.some(({ signedIn = true }) => signedIn);
const tokenHint = (
  <>
    Set <code>TOKEN</code> to the token that “Sign in” returns.
  </>
);

function OperationName({ command }: { command: Command }) {
  const { kind, name } = operationOf(command);
  return (
    <code>
      {kind} {name}
    </code>
  );
}
