// deploy/kubernetes: every variable is one of the service, and the service starts with them; the ports, probes and times
// fit what it does; nothing in a pod may do more than it needs. Never run here in a cluster.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { variableNames, type Role } from '../../src/config/env-schema.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { readPlainYaml, type PlainYaml } from '../support/plain-yaml.ts';
import { root } from '../support/processes.ts';

const folder = path.join(root, 'deploy/kubernetes');
const documents = readdirSync(folder).flatMap((name) =>
  readPlainYaml(readFileSync(path.join(folder, name), 'utf8')),
);

const portSchema = z.looseObject({ name: z.string(), containerPort: z.string() });
const probeSchema = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const containerSchema = z.looseObject({
  image: z.string(),
  args: z.array(z.string()),
  ports: z.array(portSchema).default([]),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  envFrom: z.array(z.object({ configMapRef: z.object({ name: z.string() }) })),
  securityContext: z.unknown(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
  startupProbe: z.looseObject({}).pipe(probeSchema.loose()).optional(),
  livenessProbe: probeSchema.loose().optional(),
  readinessProbe: probeSchema.loose().optional(),
});
const podSchema = z.looseObject({
  metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
  spec: z.looseObject({
    terminationGracePeriodSeconds: z.coerce.number().optional(),
    automountServiceAccountToken: z.string(),
    securityContext: z.looseObject({ runAsNonRoot: z.string(), runAsUser: z.string() }),
    containers: z.tuple([containerSchema]),
    volumes: z.array(z.looseObject({ name: z.string() })),
  }),
});

function ofKind(kind: string, name?: string) {
  return documents.filter((document) => {
    const { success, data } = headSchema.safeParse(document);
    return success && data.kind === kind && (name === undefined || data.metadata.name === name);
  });
}
const headSchema = z.looseObject({
  kind: z.string(),
  apiVersion: z.string(),
  metadata: z.looseObject({ name: z.string().optional() }),
});

const withPod = z.looseObject({ spec: z.looseObject({ template: podSchema }) });
const pod = (document: PlainYaml | undefined) => withPod.parse(document).spec.template;
const [shared] = ofKind('ConfigMap').map(
  (document) => z.looseObject({ data: z.record(z.string(), z.string()) }).parse(document).data,
);

const roles = [
  { role: 'receiver', program: 'src/main-receiver.ts', found: ofKind('StatefulSet'), opsPort: '9464' },
  { role: 'worker', program: 'src/main-worker.ts', found: ofKind('Deployment'), opsPort: '9465' },
  { role: 'migrate', program: 'src/main-migrate.ts', found: ofKind('Job'), opsPort: null },
] as const satisfies readonly { role: Role; program: string; found: PlainYaml[]; opsPort: string | null }[];

/** As the container has it: of the image, of the settings, of its own. */
function environmentOf(container: z.infer<typeof containerSchema>): Record<string, string> {
  const own = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
  return { OPS_HOST: '0.0.0.0', OPS_PORT: '9464', JOURNAL_DIR: '/data/journal', ...shared, ...own };
}

const files = new Map([
  ['/secrets/payload-keys', Buffer.alloc(32, 7).toString('base64')],
  ['/secrets/redis-url', 'rediss://redis.example:6379'],
  ['/secrets/database-url', 'postgresql://lean@postgres.example/lean'],
  ['/secrets/migration-database-url', 'postgresql://owner@postgres.example/lean'],
  ['/secrets/lean-webhook-secret', 'a-secret-of-some-length'],
  ['/secrets/lean-app-token', 'token'],
  ['/secrets/lean-client-secret', 'secret'],
]);
function readFile(file: string): string {
  const content = files.get(file);
  if (content === undefined) throw new Error(`${file} is not among the secrets of settings.yaml`);
  return content;
}

describe.each(roles)('the $role', ({ role, program, found, opsPort }) => {
  const template = pod(found[0]);
  const { spec } = template;
  const [container] = spec.containers;
  const environment = environmentOf(container);

  it('starts with its variables, and each of them is one of the service', () => {
    const config = loadConfig(role, environment, readFile);
    expect(config.LEAN_ENVIRONMENT).toBe('production');
    expect(config.warnings).toEqual([]);
    // What is misspelled is not read, and then nothing would say so.
    const known = new Set<string>(variableNames);
    for (const name of Object.keys(environment))
      expect(known).toContain(known.has(name) ? name : name.replace(/_FILE$/, ''));
  });

  it('runs the program of its role, which is there, under the name of the image', () => {
    expect(container.args).toEqual(['node', '--import', './src/require-node.js', program]);
    expect(existsSync(path.join(root, program))).toBe(true);
    expect(container.image).toMatch(/^lean-webhook-receiver:/);
    expect(container.envFrom).toEqual([{ configMapRef: { name: 'lean-settings' } }]);
  });

  it('has no more rights than it needs, and writes only where something is mounted', () => {
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: 'false',
      readOnlyRootFilesystem: 'true',
      capabilities: { drop: ['ALL'] },
    });
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: 'true', runAsUser: '65532' });
    expect(spec.automountServiceAccountToken).toBe('false');
    const volumes = [...spec.volumes.map(({ name }) => name), ...(role === 'receiver' ? ['journal'] : [])];
    expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(volumes.toSorted());
  });

  it('is given the files that its variables name, and no other secret', () => {
    const mounted = [...JSON.stringify(spec.volumes).matchAll(/"path":"([^"]+)"/g)].map(
      ([, file = '']) => file,
    );
    const named = Object.values(environment).flatMap((value) =>
      value.startsWith('/secrets/') || value.startsWith('/certificates/') ? [path.basename(value)] : [],
    );
    expect(mounted.toSorted()).toEqual(named.toSorted());
  });

  it('is probed where it answers', () => {
    if (opsPort === null) return;
    const config = loadConfig(role, environment, readFile);
    expect(container.ports.find(({ name }) => name === 'operations')?.containerPort).toBe(opsPort);
    expect(String(config.OPS_PORT)).toBe(opsPort);
    expect(config.OPS_HOST).toBe('0.0.0.0');
    const { startupProbe, livenessProbe, readinessProbe } = container;
    expect([startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet)).toEqual([
      { path: '/livez', port: 'operations' },
      { path: '/livez', port: 'operations' },
      { path: '/readyz', port: 'operations' },
    ]);
  });

  it('has time to end in', () => {
    if (role === 'migrate') return;
    const config = loadConfig(role, environment, readFile);
    const delayMs = role === 'worker' ? 0 : config.SHUTDOWN_DELAY_MS;
    const needed = (delayMs + config.SHUTDOWN_TIMEOUT_MS + 2_000) / 1000;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(needed);
  });

  it('may be reached and may reach others only by the ports that its policy names', () => {
    const policies = ofKind('NetworkPolicy', `lean-${role}`);
    expect(policies).toHaveLength(1);
    expect(policies).toMatchObject([
      {
        spec: { podSelector: { matchLabels: template.metadata.labels }, policyTypes: ['Ingress', 'Egress'] },
      },
    ]);
    const text = JSON.stringify(policies);
    for (const { containerPort } of container.ports) expect(text).toContain(`"port":"${containerPort}"`);
  });
});

it("a receiver's journal is on a volume claim of its own, with room for all of JOURNAL_LIMIT_BYTES", () => {
  const [receiver] = ofKind('StatefulSet');
  const { template } = withPod.parse(receiver).spec;
  const [container] = template.spec.containers;
  const { JOURNAL_DIR, JOURNAL_LIMIT_BYTES } = loadConfig('receiver', environmentOf(container), readFile);
  const mount = container.volumeMounts.find(({ name }) => name === 'journal');
  expect(JOURNAL_DIR.startsWith(`${mount?.mountPath}/`)).toBe(true);
  expect(receiver).toMatchObject({
    spec: {
      volumeClaimTemplates: [{ metadata: { name: 'journal' }, spec: { accessModes: ['ReadWriteOnce'] } }],
    },
  });
  const [, gibibytes = ''] = /"storage":"(\d+)Gi"/.exec(JSON.stringify(receiver)) ?? [];
  expect(Number(gibibytes) * 2 ** 30).toBeGreaterThan(JOURNAL_LIMIT_BYTES + 32 * 2 ** 20);
});

it('no two pods of a role go at once for the sake of a node, and workers grow with their work', () => {
  for (const name of ['lean-receiver', 'lean-worker'])
    expect(ofKind('PodDisruptionBudget', name)).toMatchObject([{ spec: { maxUnavailable: '1' } }]);
  expect(ofKind('HorizontalPodAutoscaler')).toMatchObject([
    { spec: { scaleTargetRef: { kind: 'Deployment', name: 'lean-worker' }, minReplicas: '2' } },
  ]);
});

it('every secret that a pod mounts is one whose making settings.yaml tells', () => {
  const told = readFileSync(path.join(folder, 'settings.yaml'), 'utf8');
  const mounted = [...JSON.stringify(documents).matchAll(/"secretName":"([^"]+)"/g)].map(
    ([, name = '']) => name,
  );
  expect(new Set(mounted).size).toBe(3);
  for (const name of mounted) expect(told).toContain(`create secret generic ${name} `);
  for (const file of files.keys()) expect(told).toContain(path.basename(file));
});

describe('the reader of these files', () => {
  it.each(['a: &anchor b', 'a: |', 'a: "b"', '\ta: b', 'a: {b: c}', 'a: b\na: c', 'a: b\n   c: d', 'a'])(
    'refuses what it does not read: %j',
    (text) => {
      expect(() => readPlainYaml(text)).toThrow(/./);
    },
  );
});
