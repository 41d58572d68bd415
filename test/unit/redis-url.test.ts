import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/queue/redis-url.ts';

describe('parseRedisUrl', () => {
  it('reads one server, with and without TLS, login, port and database', () => {
    expect(parseRedisUrl('redis://cache')).toEqual({
      kind: 'single',
      host: 'cache',
      port: 6379,
      tls: false,
    });
    expect(parseRedisUrl('rediss://user:p%40ss@cache.example:6380/3')).toEqual({
      kind: 'single',
      host: 'cache.example',
      port: 6380,
      username: 'user',
      password: 'p@ss',
      db: 3,
      tls: true,
    });
    expect(parseRedisUrl('redis://[::1]:7000')).toMatchObject({ host: '::1', port: 7000 });
  });

  it('reads the nodes of a Cluster, the scheme and the login written once or on each', () => {
    const nodes = [
      { host: 'a', port: 7000 },
      { host: 'b', port: 6379 },
    ];
    expect(parseRedisUrl('redis://a:7000,b')).toEqual({ kind: 'cluster', nodes, tls: false });
    expect(parseRedisUrl('rediss://:secret@a:7000,rediss://:secret@b')).toEqual({
      kind: 'cluster',
      nodes,
      password: 'secret',
      tls: true,
    });
  });

  it('reads Sentinels and the name of their master', () => {
    expect(parseRedisUrl('sentinel://user:secret@s1:26380,s2/lean/2')).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 's1', port: 26_380 },
        { host: 's2', port: 26_379 },
      ],
      master: 'lean',
      username: 'user',
      password: 'secret',
      db: 2,
      tls: false,
    });
  });

  it('refuses anything else without quoting it', () => {
    const wrong = [
      '',
      'redis://',
      'http://secret@cache',
      'cache:6379',
      'redis://a,rediss://b',
      'redis://:secret@cache/x',
      'sentinel://s1:26379',
    ];
    for (const url of wrong) {
      expect(() => parseRedisUrl(url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
      expect(() => parseRedisUrl(url)).not.toThrow(/secret/);
    }
  });
});
