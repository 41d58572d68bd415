// Preloaded by every npm script, in plain JavaScript: a Node that cannot run this service says so in
// one sentence instead of a syntax error in the first TypeScript file.
const requiredMajor = 26;
const major = Number(process.versions.node.split('.', 1)[0]);
if (!(major >= requiredMajor)) {
  process.stderr.write(
    `This service runs on Node ${requiredMajor} or newer, and this is Node ${process.versions.node}: ` +
      'run "npm ci", which brings the right one, and start it through "npm run" or "npm exec --".\n',
  );
  process.exit(1);
}
