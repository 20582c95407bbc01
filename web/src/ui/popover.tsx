import { Popover } from 'radix-ui';
import { type ReactNode, useId } from 'react';

interface PopoverButtonProps {
  /** The content of the button. */
  label: ReactNode;
  className: string;
  /** The heading of the panel. */
  title: ReactNode;
  children: ReactNode;
  /** Value of the button's attribute `data-phase`, which selects its style. */
  phase?: string;
  defaultOpen?: boolean;
}

/** A button that opens a small panel below it: by mouse, touch and keyboard. */
export function PopoverButton({ label, className, title, children, phase, defaultOpen }: PopoverButtonProps) {
  const id = useId();
  return (
    <Popover.Root defaultOpen={defaultOpen}>
      <Popover.Trigger className={className} data-phase={phase}>
        {label}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="popover" align="end" sideOffset={6} collisionPadding={8} aria-labelledby={id}>
          <h2 id={id}>{title}</h2>
          {children}
          <Popover.Close className="popover-close" aria-label="Close">
            <span aria-hidden="true">×</span>
          </Popover.Close>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
