// As Lean's own sample is written: express, and everything is done before the answer. It reads the customer's accounts
// over mTLS, looks at each of them, and then says 200. Nothing is kept on the way.
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { json } from 'node:stream/consumers';
import express from 'express';
import { peerTls, readPeerSettings, sayListening } from './peer-settings.ts';

const settings = readPeerSettings();
const { leanUrl = '', leanToken = '', leanCertFile = '', leanKeyFile = '', clientCaFile } = settings;
const agent = new https.Agent({
  keepAlive: true,
  ca: readFileSync(clientCaFile),
  cert: readFileSync(leanCertFile),
  key: readFileSync(leanKeyFile),
});
const app = express();
app.use(express.json({ limit: '1mb' }));

app.post('/webhooks/lean', async (_request, response) => {
  const accounts = await readAccounts();
  for (const account of accounts) void JSON.stringify(account);
  response.status(200).end();
});

const server = https.createServer(peerTls(settings), app);
server.listen(settings.port, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  sayListening(`https://127.0.0.1:${port}`);
});

async function readAccounts(): Promise<unknown[]> {
  const answer = await new Promise<unknown>((resolve, reject) => {
    https
      .get(leanUrl, { agent, headers: { 'lean-app-token': leanToken } }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`Lean answered ${response.statusCode}`));
        json(response).then(resolve, reject);
      })
      .once('error', reject);
  });
  return Array.isArray(answer) ? answer : [answer];
}
