// Compares what is imported with what each package.json declares. With `--production --strict` it looks at what an
// image runs alone: there only `dependencies` are installed.
const onlyForDevelopment = [
  '**/testing/**',
  'e2e/**',
  'bench/**',
  'gateway/playground/**',
  'schema/src/{compose,breaking-changes}*.ts',
];

export default {
  include: ['dependencies', 'unlisted', 'unresolved'],
  ignore: process.argv.includes('--production') ? onlyForDevelopment : [],
  workspaces: {
    '.': { entry: ['scripts/*.{ts,js}'] },
    '*': { project: ['src/**/*.ts!'] },
    'subgraphs/*': { project: ['src/**/*.ts!'] },
    gateway: {
      vite: { config: ['playground/vite.config.js'] },
      project: ['src/**/*.ts!', 'playground/*.{js,jsx}'],
    },
  },
};
