// Plain JavaScript that any Node runs: says in one sentence what to do where the Node found is too old.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `This needs Node 24 or newer and found ${process.version}: run "npm ci" without NODE_ENV=production, which installs one for the project, or put a newer Node on PATH.\n`,
  );
  process.exit(1);
}
