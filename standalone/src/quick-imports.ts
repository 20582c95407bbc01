import { enableCompileCache, registerHooks } from 'node:module';

/**
 * Makes what is imported from here on cheaper, until it is disposed.
 *
 * Node keeps what it compiled for the next start, in the folder for temporary files. And it parses a package.json again
 * for each import inside of that package: drizzle-orm has hundreds of them, and 180 kB of package.json.
 */
export function quickenImports(): Disposable {
  enableCompileCache();
  const hooks = registerHooks({
    resolve: (specifier, context, resolveNext) =>
      specifier.startsWith('.') &&
      specifier.endsWith('.js') &&
      context.parentURL?.includes('/node_modules/drizzle-orm/')
        ? { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true }
        : resolveNext(specifier, context),
  });
  return { [Symbol.dispose]: () => hooks.deregister() };
}
