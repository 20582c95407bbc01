import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { platformErrorCodes } from '@voucher-gateway/platform/errors';
import { apiSchemaOf } from '@voucher-gateway/schema/breaking-changes';
import { decodeCursor } from '@voucher-gateway/schema/cursor';
import { publicErrors } from '@voucher-gateway/schema/error-codes';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { failureReasonSchema } from '@voucher-gateway/schema/topics';
import { attemptErrors, deliveryErrors } from '@voucher-gateway/subgraph-delivery/attempt-result';
import { deliveryErrorCodes } from '@voucher-gateway/subgraph-delivery/operator-errors';
import { Kind, parse, validate } from 'graphql';
import { expect, it } from 'vitest';
import { standaloneSettings } from './config.ts';
import { envExample, settingsOf } from './settings.ts';

/** The entry of a package in package-lock.json. */
interface LockedPackage {
  license?: string;
  dev?: boolean;
  link?: boolean;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(root + path, 'utf8');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...filesOf('docs', '.md')];

function filesOf(folder: string, ending: string): string[] {
  return readdirSync(root + folder, { recursive: true })
    .map((name) => `${folder}/${String(name)}`)
    .filter((name) => name.endsWith(ending));
}

/** The rows of the tables under a heading, as cells without code marks. */
function rowsUnder(page: string, heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1')),
    );
}

it('.env.example: is up to date with the configuration schemas', () => {
  expect(read('.env.example')).toBe(envExample());
});

it('settings: have a description', () => {
  expect(settingsOf(standaloneSettings).filter(({ description }) => description === '')).toEqual([]);
});

it('README: lists settings with their names and defaults', () => {
  const settings = new Map(settingsOf(standaloneSettings).map(({ name, fallback }) => [name, fallback ?? '']));
  // The default level of `npm start` is `warn`, because it prints its progress as text and not in the log.
  settings.set('LOG_LEVEL', 'warn');
  const documented = rowsUnder(read('README.md'), 'Settings').map(([name, fallback]) => [name, fallback]);
  expect(documented.length).toBeGreaterThan(5);
  expect(documented).toEqual(documented.map(([name = '']) => [name, settings.get(name)]));
});

it('docs/errors.md: documents each public code with its status, and no other', () => {
  const documented = rowsUnder(read('docs/errors.md'), 'Codes that a client').map(([code, status]) => [
    code,
    Number(status),
  ]);
  expect(documented.sort()).toEqual(
    Object.entries(publicErrors)
      .map(([code, { status }]) => [code, status])
      .sort(),
  );
});

it.each([
  ['Codes that an operator', [...platformErrorCodes, ...deliveryErrorCodes]],
  ['Why an attempt', attemptErrors],
  ['Why a delivery failed', deliveryErrors],
  ['Why a request', failureReasonSchema.options],
] as const)('docs/errors.md: has each code under "%s", and no other', (heading, codes) => {
  const documented = rowsUnder(read('docs/errors.md'), heading).map(([code]) => code);
  expect(documented.sort()).toEqual([...codes].sort());
});

it('docs: contain only valid operations, as does the playground', () => {
  const schema = apiSchemaOf(supergraphSdl());
  const shown = [
    ...filesOf('schema/operations', '.graphql').map((path) => [path, read(path)] as const),
    ...pages.flatMap((path) => [
      ...[...read(path).matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text = '']) => [path, text] as const),
      ...[...read(path).matchAll(/"query": ?"((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => [path, text] as const),
    ]),
  ];
  const operations = shown.filter(([, text]) =>
    parse(text).definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION),
  );
  expect(operations.length).toBeGreaterThan(10);
  for (const [path, text] of operations) expect(validate(schema, parse(text)), `${path}:\n${text}`).toEqual([]);
});

it('playground: its feed starts at the beginning', () => {
  const [, cursor = ''] = /startOfFeed = '(\w+)'/.exec(read('gateway/playground/sample-tabs.js')) ?? [];
  expect(decodeCursor(cursor)).toEqual({ id: null });
});

it('licences: lists every production package whose licence is not permissive', () => {
  const permissive = ['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense'];
  const permissiveToo = ['(MIT AND BSD-3-Clause)', '(MIT OR CC0-1.0)'];
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
  const others = Object.entries(packages)
    .filter(([path, { dev, link }]) => path.startsWith('node_modules/') && !dev && !link)
    .map(([path, { license = 'none' }]) => [path.split('node_modules/').at(-1), license])
    .filter(([, license = '']) => ![...permissive, ...permissiveToo].includes(license));
  const named = [...read('docs/licences.md').matchAll(/^\| `([^`]+)` \| `([^`]+)` \|/gm)].map(([, ...cells]) => cells);
  expect(named.sort()).toEqual(others.sort());
  for (const [name] of others) expect(read('README.md')).toContain(`\`${name}\``);
});

it('docs: link only to existing pages and headings', () => {
  for (const path of pages) {
    const page = new URL(path, `file://${root}`);
    const links = [...read(path).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, link = '']) => new URL(link, page));
    for (const link of links) {
      const text = readFileOrFolder(fileURLToPath(link));
      if (link.hash) expect(anchorsOf(text), `${path}: ${link}`).toContain(link.hash);
    }
  }
});

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = '']) =>
      `#${heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-')}`,
  );
}

/** Returns the text of a file, or an empty text for a folder. Throws if the path does not exist. */
function readFileOrFolder(path: string): string {
  return statSync(path).isDirectory() ? '' : readFileSync(path, 'utf8');
}
