import { DropdownMenu } from 'radix-ui';
import { CopyButton } from './copy-button.tsx';
import { type Command, curlOf } from './curl.ts';
import { useMessages } from './messages.tsx';

const label = 'Copy as cURL';

/** Copies an operation as a command; with several, after a choice. */
export function CopyCurl({ commands }: { commands: readonly [Command, ...Command[]] }) {
  const { show } = useMessages();
  const [only, ...others] = commands;
  if (others.length === 0) return <CopyButton label={label} text={() => curlOf(only)} />;
  const copy = (command: Command) =>
    navigator.clipboard.writeText(curlOf(command)).then(
      () => show({ kind: 'done', text: `Copied: ${command.label}` }),
      () => show({ kind: 'failed', text: 'The browser does not allow to copy.' }),
    );
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger className="button quiet">{label} ▾</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" sideOffset={4} collisionPadding={8} align="start">
          {commands.map((command) => (
            <DropdownMenu.Item key={command.label} className="menu-item" onSelect={() => void copy(command)}>
              {command.label}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
