// What Fastify over mTLS costs when it does nothing at all: 200, and nothing is kept. A limit, not a choice.
import Fastify from 'fastify';
import { peerTls, readPeerSettings, sayListening } from './peer-settings.ts';

const settings = readPeerSettings();
const app = Fastify({ https: peerTls(settings) });

app.post('/webhooks/lean', (_request, reply) => reply.code(200).send());

sayListening(await app.listen({ host: '127.0.0.1', port: settings.port }));
