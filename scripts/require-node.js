// Checks the version of Node, and says what to do if it is too old. It is plain JavaScript, so that any Node can run
// it.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `This needs Node 24 or newer and found ${process.version}: run "npm ci" without NODE_ENV=production, which installs one for the project, or put a newer Node on PATH.\n`,
  );
  process.exit(1);
}
