/** A username as it is compared: whatever the case. */
export function usernameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}
