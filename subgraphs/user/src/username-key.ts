/** Normalises a username for comparison, which ignores case. */
export function usernameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}
