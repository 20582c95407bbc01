import { glob, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';

/**
 * The levels of workspaces, lowest first. A workspace may import only workspaces of lower levels. docs/architecture.md
 * says what each workspace contains.
 */
export const levels: readonly (readonly string[])[] = [
  ['platform', 'schema', 'examples', 'web'],
  ['vps-mock'],
  ['gateway', 'subgraphs/user', 'subgraphs/voucher', 'subgraphs/delivery', 'voucher-integration'],
  ['standalone'],
  ['e2e'],
  ['bench'],
];

/**
 * Matches files that only run in development. All other files run in production, where only `dependencies` are
 * installed.
 */
const onlyInDevelopment =
  /\.test\.ts$|\.config\.[jt]s$|\/testing\/|^(e2e|bench)\/|^(gateway\/playground|web)\/|^schema\/src\/(compose|breaking-changes)/;

/** Tests and their tools may import any file of their workspace. */
const isOfTests = /\.test\.tsx?$|\/testing\//;

/** Folders that are not checked: installed packages, the built playground, and the peers of the benchmark. */
const ignored = /node_modules|\/dist\/|^bench\/peers\//;

interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

interface Import {
  specifier: string;
  /** Whether the import is an `import type`, which does not exist at run time. */
  isType: boolean;
}

interface Workspace {
  folder: string;
  level: number;
  manifest: Manifest;
  /** Peer dependencies of the declared packages. */
  peers: ReadonlySet<string>;
  /** The imports of each file, by its path from the root. */
  files: ReadonlyMap<string, readonly Import[]>;
}

/**
 * Checks the imports of all workspaces, including those for development only:
 * - a workspace imports lower levels only, and only by package name;
 * - each imported package is declared in the workspace's package.json, in `dependencies` if the file runs in
 *   production;
 * - each declared package is imported;
 * - neither files nor folders import each other in a circle. A file directly in `src/` counts as a folder of its own.
 *
 * @param root absolute path of a repository
 * @returns the faults, one sentence each, with the path of the file
 */
export async function findImportFaults(root: string): Promise<string[]> {
  const { devDependencies: shared = {} } = await readManifest(root);
  const workspaces: Workspace[] = [];
  for (const [level, folders] of levels.entries())
    for (const folder of folders) workspaces.push(await readWorkspace(root, folder, level));
  const byName = new Map(workspaces.map((workspace) => [workspace.manifest.name, workspace]));
  const faults = workspaces.flatMap((workspace) => [
    ...findUndeclared(workspace, shared),
    ...findUnused(workspace),
    ...findUpward(workspace, byName),
    ...findCircles(workspace),
  ]);
  return [...new Set(faults)];
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}

async function readWorkspace(root: string, folder: string, level: number): Promise<Workspace> {
  const files = new Map<string, Import[]>();
  const paths = await Array.fromAsync(glob(`${folder}/**/*.{ts,tsx,js,jsx}`, { cwd: root }));
  for (const path of paths.filter((each) => !ignored.test(each)).sort())
    files.set(path, readImports(await readFile(join(root, path), 'utf8')));
  const manifest = await readManifest(join(root, folder));
  const peers = new Set<string>();
  for (const declared of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
    const installed = await readManifest(join(root, 'node_modules', declared)).catch(() => null);
    for (const peer of Object.keys(installed?.peerDependencies ?? {})) peers.add(peer);
  }
  return { folder, level, manifest, peers, files };
}

/** Reads dynamic imports, and the static imports and exports at the start of a line. */
function readImports(source: string): Import[] {
  const pattern =
    /^(?:import|export)( type)?\b[^'"`;]*?\sfrom '([^']+)'|^import '([^']+)'|\b(?<!typeof )import\('([^']+)'\)/gm;
  return [...source.matchAll(pattern)].map(([, type, ...specifiers]) => ({
    specifier: specifiers.find((specifier) => specifier) as string,
    isType: type !== undefined,
  }));
}

/** Returns the package of a specifier; null for relative paths and Node's own modules. */
function packageOf(specifier: string): string | null {
  if (specifier.startsWith('.') || isBuiltin(specifier)) return null;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function findUndeclared({ manifest, files }: Workspace, shared: Record<string, string>): string[] {
  const { name, dependencies = {}, devDependencies = {} } = manifest;
  const faults: string[] = [];
  for (const [path, imports] of files) {
    const isDevelopment = onlyInDevelopment.test(path);
    for (const { specifier, isType } of imports) {
      const imported = packageOf(specifier);
      if (imported === null || imported === name || imported in dependencies) continue;
      if ((isDevelopment || isType) && (imported in devDependencies || imported in shared)) continue;
      const declared = imported in devDependencies ? 'declares for development only' : 'does not declare';
      faults.push(`${path} imports ${imported}, which its package.json ${declared}`);
    }
  }
  return faults;
}

function findUnused({ folder, manifest, peers, files }: Workspace): string[] {
  const imported = new Set([...files.values()].flat().map(({ specifier }) => packageOf(specifier)));
  return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    .filter((declared) => !imported.has(declared.replace(/^@types\//, '')) && !peers.has(declared))
    .map((declared) => `${folder}/package.json declares ${declared}, which nothing imports`);
}

function findUpward({ folder, level, files }: Workspace, byName: ReadonlyMap<string, Workspace>): string[] {
  const faults: string[] = [];
  for (const [path, imports] of files) {
    for (const { specifier } of imports) {
      const target = byName.get(packageOf(specifier) ?? '');
      if (target && target.folder !== folder && target.level >= level)
        faults.push(`${path} imports ${specifier}, whose workspace is not below its own`);
      if (specifier.startsWith('.') && relative(folder, join(dirname(path), specifier)).startsWith('..'))
        faults.push(`${path} imports ${specifier}, outside of its workspace`);
    }
  }
  return faults;
}

/** Finds circles of imports between files, and between folders. Tests are not checked. */
function findCircles({ folder, files }: Workspace): string[] {
  const importsOf = new Map<string, Set<string>>();
  for (const [path, imports] of files) {
    if (isOfTests.test(path)) continue;
    const targets = imports.filter(({ specifier }) => specifier.startsWith('.'));
    importsOf.set(path, new Set(targets.map(({ specifier }) => join(dirname(path), specifier))));
  }
  const roomOf = (path: string) => (dirname(path) === `${folder}/src` ? path : dirname(path));
  const importsOfRoom = new Map<string, Set<string>>();
  for (const [path, targets] of importsOf) {
    const others = importsOfRoom.get(roomOf(path)) ?? new Set();
    importsOfRoom.set(roomOf(path), others);
    for (const target of targets) if (roomOf(target) !== roomOf(path)) others.add(roomOf(target));
  }
  return [findCircle(importsOf), findCircle(importsOfRoom)]
    .filter((circle) => circle !== null)
    .map((circle) => `${circle.join(' → ')} is a circle of imports`);
}

/**
 * Finds a circle in a graph by depth-first search. Returns the nodes of the circle, and at the end its first node
 * again. Returns null if there is no circle.
 */
function findCircle(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] | null {
  const finished = new Set<string>();
  const visit = (node: string, path: readonly string[]): string[] | null => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (finished.has(node)) return null;
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...path, node]);
      if (circle) return circle;
    }
    finished.add(node);
    return null;
  };
  for (const node of graph.keys()) {
    const circle = visit(node, []);
    if (circle) return circle;
  }
  return null;
}
