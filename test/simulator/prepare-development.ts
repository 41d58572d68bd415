// Runs before `npm start`: makes what the service and the simulator share, once, and leaves the service's share of it as
// an environment file. Says nothing and touches nothing where the developer has a `.env` of their own.
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { developmentEnvironment, developmentSetup } from './dev-certificates.ts';

const dir = path.join('data', 'dev');

if (!existsSync('.env')) {
  const environment = developmentEnvironment(await developmentSetup(dir));
  const text = Object.entries(environment).map(([name, value]) => `${name}=${JSON.stringify(value)}\n`);
  const file = path.join(dir, 'development.env');
  await writeFile(`${file}.new`, text.join(''), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
