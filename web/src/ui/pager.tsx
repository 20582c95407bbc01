interface PagerProps {
  /** Null on the newest page. */
  onNewest: (() => void) | null;
  /** Null on the oldest page. */
  onOlder: (() => void) | null;
}

/** The buttons to the other pages of a list. */
export function Pager({ onNewest, onOlder }: PagerProps) {
  return (
    <p className="buttons">
      <button type="button" className="button quiet" disabled={!onNewest} onClick={() => onNewest?.()}>
        Newest
      </button>
      <button type="button" className="button quiet" disabled={!onOlder} onClick={() => onOlder?.()}>
        Older
      </button>
    </p>
  );
}
