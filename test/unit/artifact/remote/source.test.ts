import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../../../../src/artifact/byte-source.ts';
import { isPublicAddress, pinAddress } from '../../../../src/artifact/remote/address.ts';
import { readRestarting } from '../../../../src/artifact/remote/driver.ts';
import { httpGet } from '../../../../src/artifact/remote/http.ts';
import { RemoteSource } from '../../../../src/artifact/remote/source.ts';
import { ScanError } from '../../../../src/errors.ts';
import { type Behaviour, RangeServer } from '../../../cases/repository/range-server.ts';

let server: RangeServer;
beforeAll(async () => {
  server = new RangeServer();
  await server.start();
});
afterAll(() => server.stop());
afterEach(() => {
  server.files.clear();
  server.requests.length = 0;
  server.sentBytes = 0;
});

const options = () => ({ allowHosts: [server.host], limits: { maxMs: 3000, maxIdleMs: 300 } });
const big = createHash('shake256', { outputLength: 3_000_000 }).update('narrowfire').digest();

async function code(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'nothing thrown';
  } catch (thrown) {
    return thrown instanceof ScanError ? thrown.code : String(thrown);
  }
}

async function readEnd(url: string): Promise<Uint8Array> {
  const source = await RemoteSource.open(url, 'f', options());
  return readRestarting(() => source.read(source.size - 10, 10));
}

describe('RemoteSource', () => {
  it('fetches what is read and little more', async () => {
    const source = await RemoteSource.open(server.serve('/a', big), 'a', options());
    expect(source.size).toBe(big.byteLength);
    const read = (from: ByteSource) => [
      from.read(8, 4),
      from.read(2_000_000, 100_000),
      from.read(big.byteLength - 5, 5),
    ];
    const parts = await readRestarting(() => read(source));
    expect(parts.map((part) => Buffer.from(part).toString('hex'))).toEqual(
      [big.subarray(8, 12), big.subarray(2_000_000, 2_100_000), big.subarray(-5)].map((part) =>
        part.toString('hex'),
      ),
    );
    expect(server.sentBytes).toBeLessThan(500_000);
  });

  it('reads a small file whole from a server without ranges', async () => {
    const source = await RemoteSource.open(
      server.serve('/a', 'hello', 'no-ranges'),
      'a',
      options(),
    );
    expect(Buffer.from(source.read(1, 4)).toString()).toBe('ello');
  });

  it('does not read a large file from a server without ranges', async () => {
    const url = server.serve('/a', big, 'no-ranges');
    const open = RemoteSource.open(url, 'a', options(), {
      maxFetchedBytes: 1e9,
      maxWholeBytes: 1000,
    });
    expect(await code(open)).toBe('E_LIMIT');
  });

  it('reads an empty file', async () => {
    const source = await RemoteSource.open(server.serve('/a', ''), 'a', options());
    expect(source.size).toBe(0);
  });

  it('stops at the limit of fetched bytes', async () => {
    const limits = { maxFetchedBytes: 200_000, maxWholeBytes: 1000 };
    const source = await RemoteSource.open(server.serve('/a', big), 'a', options(), limits);
    expect(await code(readRestarting(() => source.read(0, big.byteLength)))).toBe('E_LIMIT');
    expect(server.sentBytes).toBeLessThan(200_000);
  });

  it.each<[Behaviour, string]>([
    ['changes-tag', 'E_CHANGED'],
    ['changes-size', 'E_CHANGED'],
    ['wrong-range', 'E_CHANGED'],
    ['short-body', 'E_NETWORK'],
    ['long-claim', 'E_NETWORK'],
    ['no-content-range', 'E_NETWORK'],
    ['compressed', 'E_NETWORK'],
    ['silent', 'E_TIMEOUT'],
    ['trickle', 'E_TIMEOUT'],
    ['missing', 'E_NOT_FOUND'],
    ['forbidden', 'E_NETWORK'],
    ['redirect-loop', 'E_NETWORK'],
    ['redirect-private', 'E_NETWORK'],
  ])('answers a server that is %s with %s', async (behaviour, expected) => {
    // A fresh server counts its requests from one: some only misbehave later.
    const other = new RangeServer();
    await other.start();
    const url = other.serve('/a', big, behaviour);
    const allow = { allowHosts: [other.host], limits: { maxMs: 1500, maxIdleMs: 300 } };
    const work = async (): Promise<void> => {
      const source = await RemoteSource.open(url, 'f', allow);
      await readRestarting(() => source.read(source.size - 10, 10));
    };
    expect(await code(work())).toBe(expected);
    await other.stop();
  });

  it('ends for a reader that is never content', async () => {
    const source = await RemoteSource.open(server.serve('/a', big), 'a', options());
    expect(await code(readRestarting(() => source.read(-1, 5)))).toBe('E_TRUNCATED');
  });

  it('reads the end through a redirect only to listed hosts, without the token', async () => {
    const port = server.host.split(':')[1];
    const url = server.serve('/a', '', 'redirect-once');
    server.serve('/target', big);
    expect(await code(readEnd(url))).toBe('E_NETWORK');
    const allowed = {
      allowHosts: [server.host, `localhost:${port}`],
      authorization: 'Bearer secret',
    };
    const answer = await httpGet(url, { maxBytes: 4e6 }, allowed);
    expect(answer.body.byteLength).toBe(big.byteLength);
    const tokens = server.requests.slice(-2).map(({ authorization }) => authorization);
    expect(tokens).toEqual(['Bearer secret', undefined]);
  });
});

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'name',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(['8.8.8.8', '2606:4700::1111', '2a00:1450::1'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    'https://127.0.0.1/',
    'https://localhost/',
    'https://[::1]/',
    'http://8.8.8.8/',
    'https://0x7f.1/',
    'https://2130706433/',
    'ftp://8.8.8.8/',
    'https://[::ffff:7f00:1]/',
  ])('refuses %s', async (url) => {
    expect(await code(pinAddress(new URL(url), { allowHosts: [] }))).toBe('E_NETWORK');
  });

  it('pins the checked address', async () => {
    expect(await pinAddress(new URL('https://8.8.8.8/x'), { allowHosts: [] })).toEqual({
      address: '8.8.8.8',
      family: 4,
    });
  });
});
