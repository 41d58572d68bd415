// Variables of the public side: listener, who is let in, limits, journal. Described here and nowhere else.
import {
  anyText,
  choice,
  clientNameList,
  httpsUrl,
  matching,
  networkList,
  numberWithDefault,
  optional,
  secretList,
  withDefault,
} from './env-fields.ts';

export const listenerVariables = {
  HOST: withDefault(matching(/^[^\s/]{1,253}$/, 'must be an address or a host name'), {
    fallback: '0.0.0.0',
    describe: 'Address of the public listener.',
  }),
  PORT: numberWithDefault({
    fallback: '8443',
    min: 0,
    max: 65_535,
    describe: 'Port of the public listener; 0 takes any free one.',
  }),
  WEBHOOK_PATH: withDefault(
    matching(/^\/[\w.~/-]{0,200}$/, 'must be a path such as /webhooks/lean, without query'),
    { fallback: '/webhooks/lean', describe: 'The one path that takes deliveries.' },
  ),
  PUBLIC_URL: optional(httpsUrl, {
    describe: "The address entered in Lean's dashboard; only compared and probed, never listened on.",
  }),
  TLS_TERMINATION: withDefault(choice(['receiver', 'proxy']), {
    fallback: 'receiver',
    describe:
      '`receiver`: this process ends TLS, directly or behind a TCP load balancer. `proxy`: a load balancer ' +
      'ended TLS and plain HTTP arrives here; a forwarded certificate is read only when VERIFY or VERIFY_SHADOW needs one.',
  }),
  TLS_CERT_FILE: optional(anyText, {
    describe: 'Our server certificate with its intermediates, PEM.',
    needed: 'with TLS_TERMINATION=receiver',
  }),
  TLS_KEY_FILE: optional(anyText, {
    describe: 'The key of TLS_CERT_FILE, PEM.',
    needed: 'with TLS_TERMINATION=receiver',
  }),
};

export const verificationVariables = {
  VERIFY: optional(choice(['certificate', 'signature', 'certificate+signature', 'none']), {
    describe:
      'How a delivery proves that it is authentic. `certificate` proves the sender but not that the event is ' +
      'meant for you, so `certificate+signature` is recommended, else `signature`. `none` starts in sandbox only.',
  }),
  VERIFY_SHADOW: optional(choice(['certificate', 'signature']), {
    describe:
      'The other method, judged, logged and counted on accepted deliveries without deciding anything. `certificate` lets ' +
      'in callers without one, and prints the names and the key pin of others as LEAN_CLIENT_NAMES takes them.',
  }),
  LEAN_CA_FILE: optional(anyText, {
    describe:
      "Lean's certificate chain (`lean_public_cert_chain.pem`): the anchor for its deliveries, and trusted " +
      'beside the system roots for calls to Lean.',
    needed: 'when VERIFY or VERIFY_SHADOW has certificate',
  }),
  LEAN_CRL_FILE: optional(anyText, {
    describe: 'Revocation lists for that chain, PEM. An expired list refuses every delivery.',
  }),
  LEAN_CLIENT_NAMES: optional(clientNameList, {
    describe:
      "What Lean's own certificate carries: `dns:webhooks.leantech.me`, `uri:…` or `sha256/…` (base64 SHA-256 " +
      'of its public key, SPKI DER), separated by commas. Other customers of Lean hold certificates of the same chain.',
    needed: 'when VERIFY has certificate',
  }),
  LEAN_CLIENT_PURPOSE: withDefault(choice(['clientAuth', 'serverAuth']), {
    fallback: 'clientAuth',
    describe:
      '`serverAuth` also accepts a certificate without the client purpose, and only one whose key is a `sha256/` entry ' +
      'of LEAN_CLIENT_NAMES: public authorities stop issuing certificates for clients.',
  }),
  LEAN_WEBHOOK_SECRET: optional(secretList, {
    describe: "Webhook secret of Lean's dashboard; several, separated by commas, while it is being changed.",
    needed: 'when VERIFY or VERIFY_SHADOW has signature',
    secret: true,
  }),
  FORWARDED_CERT_HEADER: optional(
    choice(['rfc9440', 'envoy', 'nginx', 'haproxy', 'aws-alb-verify', 'aws-alb-passthrough', 'traefik']),
    {
      describe:
        'How the load balancer that ended TLS forwards the client certificate; no other header is believed.',
      needed: 'with TLS_TERMINATION=proxy when VERIFY or VERIFY_SHADOW has certificate',
    },
  ),
  TRUSTED_PROXIES: optional(networkList, {
    describe:
      'Networks of load balancers whose word on addresses and certificates counts, CIDR, separated by commas: as narrow ' +
      'as they are, none wider than /8 (IPv4) or /16 (IPv6, unless private).',
    needed: 'with FORWARDED_CERT_HEADER and with PROXY_PROTOCOL=on',
  }),
  PROXY_PROTOCOL: withDefault(choice(['on', 'off']), {
    fallback: 'off',
    describe:
      '`on`: a PROXY v1 or v2 header is demanded on every connection, from TRUSTED_PROXIES only. Not where a ' +
      'certificate is forwarded.',
  }),
};

export const acceptanceVariables = {
  BODY_LIMIT_BYTES: numberWithDefault({
    fallback: '1048576',
    min: 1024,
    max: 67_108_864,
    unit: 'bytes',
    describe: 'Largest delivery that is taken.',
  }),
  IN_FLIGHT_LIMIT: numberWithDefault({
    fallback: '1024',
    min: 1,
    max: 65_536,
    describe: 'Deliveries being answered at one time; above it `OVERLOADED`.',
  }),
  JOURNAL_DIR: withDefault(anyText, {
    fallback: './data/journal',
    describe: 'Folder of the journal, on a disk that survives a restart; one receiver per folder.',
  }),
  JOURNAL_LIMIT_BYTES: numberWithDefault({
    fallback: '1073741824',
    min: 16_777_216,
    max: 1_099_511_627_776,
    unit: 'bytes',
    describe: 'Size of the journal; from 90 % of it deliveries get `OVERLOADED`, nothing is ever dropped.',
  }),
  JOURNAL_DEADLINE_MS: numberWithDefault({
    fallback: '2000',
    min: 10,
    max: 9000,
    unit: 'ms',
    describe: 'How long a delivery waits for its fsync before `NOT_DURABLE`.',
  }),
  JOURNAL_PERSISTENT: optional(choice(['yes']), {
    describe:
      '`yes` says that JOURNAL_DIR outlives the container although its file system does not look like it: production ' +
      'does not start on tmpfs, overlay or a network file system, unless ACK_AFTER=stored.',
  }),
  ACK_AFTER: withDefault(choice(['journal', 'stored']), {
    fallback: 'journal',
    describe:
      '`journal`: 200 once the bytes are fsynced here. `stored`: 200 once a worker has committed them to ' +
      'Postgres, for platforms whose disk dies with the container.',
  }),
  ACK_DEADLINE_MS: numberWithDefault({
    fallback: '8000',
    min: 100,
    max: 9500,
    unit: 'ms',
    describe: 'How long ACK_AFTER=stored waits before 503; Lean itself gives up after 10 s.',
  }),
};
