import { enableCompileCache, registerHooks } from 'node:module';

/**
 * Makes imports faster until disposed.
 *
 * It enables Node's compile cache in the temporary folder. It also avoids that Node parses the package.json of drizzle-orm,
 * of 180 kB, for each of its hundreds of internal imports.
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
