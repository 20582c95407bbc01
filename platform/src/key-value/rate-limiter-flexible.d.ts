/**
 * Corrects the package's types: they declare this class as an export of the package's index, which does not export it.
 */
declare module 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js' {
  export { RateLimiterStoreAbstract as default } from 'rate-limiter-flexible';
}
