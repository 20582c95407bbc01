import { Toast } from 'radix-ui';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';

export interface Message {
  kind: 'done' | 'failed';
  text: ReactNode;
  /** A message replaces an earlier message of the same topic. */
  topic?: string;
  onClose?(): void;
}

const MessagesContext = createContext<{ show(message: Message): void }>({ show: () => {} });
const maxMessages = 4;

/** Shows short messages at the edge of the page; screen readers announce them. */
export function MessagesProvider({ children }: { children: ReactNode }) {
  const [messages, setMessages] = useState<(Message & { id: number })[]>([]);
  const show = useCallback(
    (message: Message) =>
      setMessages((before) => {
        const others = before.filter(({ topic }) => topic === undefined || topic !== message.topic);
        return [...others, { ...message, id: performance.now() }].slice(-maxMessages);
      }),
    [],
  );
  const value = useMemo(() => ({ show }), [show]);
  return (
    <MessagesContext value={value}>
      <Toast.Provider duration={8_000} label="Message">
        {children}
        {messages.map(({ id, kind, text, onClose }) => (
          <Toast.Root
            key={id}
            className="toast"
            data-kind={kind}
            type={kind === 'failed' ? 'foreground' : 'background'}
            onOpenChange={(open) => {
              if (open) return;
              setMessages((before) => before.filter((message) => message.id !== id));
              onClose?.();
            }}
          >
            <Toast.Description>{text}</Toast.Description>
            <Toast.Close className="button quiet" aria-label="Close">
              ✕
            </Toast.Close>
          </Toast.Root>
        ))}
        <Toast.Viewport className="toasts" />
      </Toast.Provider>
    </MessagesContext>
  );
}

export const useMessages = () => useContext(MessagesContext);
