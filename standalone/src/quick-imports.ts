import { enableCompileCache, registerHooks } from 'node:module';

/**
 * Makes imports faster until disposed.
 *
 * It enables Node's compile cache in the temporary folder. It also resolves the hundreds of imports between files of
 * drizzle-orm. Node's own resolution would parse drizzle-orm's package.json of 180 kB for each of them.
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
