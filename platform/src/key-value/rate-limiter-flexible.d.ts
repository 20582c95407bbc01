/**
 * Corrects the package's types. They declare this class as an export of the package's index, but only the file below
 * exports it.
 */
declare module 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js' {
  export { RateLimiterStoreAbstract as default } from 'rate-limiter-flexible';
}
