/** `hf://` and `https://` targets against a local hub: what is found, and how little is fetched for it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isGap } from '../../../src/judge/verdict.ts';
import { remoteTarget, runRemoteStage } from '../../../src/scan/remote-stage.ts';
import { HOSTILE_TEMPLATES } from '../../cases/repository/hostile-templates.ts';
import { RangeServer } from '../../cases/repository/range-server.ts';
import { zipFile } from '../../cases/zip-writer.ts';

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

const COMMIT = 'c'.repeat(40);

/** A safetensors file of one tensor, `byteLength` bytes of data. */
function safetensors(byteLength: number): Buffer {
  const header = JSON.stringify({
    w: { dtype: 'F32', shape: [byteLength / 4], data_offsets: [0, byteLength] },
  });
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([prefix, Buffer.from(header), Buffer.alloc(byteLength, 1)]);
}

function hub(files: Readonly<Record<string, Buffer | string>>): void {
  server.serve('/api/models/o/n/revision/main', JSON.stringify({ sha: COMMIT }));
  const tree = Object.entries(files).map(([path, bytes]) => ({
    type: 'file',
    path,
    size: Buffer.byteLength(bytes),
    oid: '0'.repeat(40),
  }));
  server.serve(`/api/models/o/n/tree/${COMMIT}?recursive=true&expand=false`, JSON.stringify(tree));
  for (const [path, bytes] of Object.entries(files)) {
    server.serve(`/o/n/resolve/${COMMIT}/${path}`, bytes);
  }
}

const options = () => ({
  network: {
    allowHosts: [server.host],
    limits: { maxMs: 5000, maxIdleMs: 1000 },
    endpoint: server.origin,
  },
});

describe('runRemoteStage', () => {
  it('judges a hub model from headers and small files', async () => {
    hub({
      'config.json': JSON.stringify({ auto_map: { AutoModel: 'modeling.M' } }),
      'modeling.py': 'import os\nos.system("echo inert")\n',
      'chat_template.jinja': HOSTILE_TEMPLATES['template-code-gadget']?.['plain'] ?? '',
      'model.safetensors': safetensors(20_000_000),
    });
    const outcome = await runRemoteStage(remoteTarget('hf://o/n'), options());
    expect(outcome.errors).toEqual([]);
    expect(outcome.notCovered).toEqual([]);
    expect(outcome.evidence.map(({ kind }) => kind).sort()).toEqual([
      'code-calls',
      'remote-code',
      'template-gadget',
    ]);
    expect(outcome.commit).toBe(COMMIT);
    expect(server.sentBytes).toBeLessThan(400_000);
  });

  it('gives the same evidence in the same order, however the files come in', async () => {
    hub({
      'a.jinja': '{% include "x" %}',
      'b.jinja': '{% include "x" %}',
      'c.jinja': '{{ lipsum }}',
    });
    const first = await runRemoteStage(remoteTarget('hf://o/n@main'), options());
    const second = await runRemoteStage(remoteTarget('hf://o/n@main'), options());
    expect(second.evidence).toEqual(first.evidence);
    expect(first.evidence.map(({ path }) => path)).toEqual(['n/a.jinja', 'n/b.jinja', 'n/c.jinja']);
  });

  it('lists files that could not be fetched as not covered and goes on', async () => {
    hub({ 'a.jinja': '{{ lipsum }}', 'b.bin': 'x' });
    server.serve(`/o/n/resolve/${COMMIT}/b.bin`, 'x', 'forbidden');
    const outcome = await runRemoteStage(remoteTarget('hf://o/n'), options());
    expect(outcome.evidence).toHaveLength(1);
    expect(outcome.notCovered[0]).toMatchObject({ what: 'n/b.bin' });
    expect(outcome.notCovered[0]?.why).toMatch(/^E_NETWORK/);
  });

  it('refuses a listing that climbs', async () => {
    hub({ '../x': 'y' });
    const outcome = await runRemoteStage(remoteTarget('hf://o/n'), options());
    expect(outcome.errors.map(({ code }) => code)).toEqual(['E_OUTSIDE']);
  });

  it('says when there is no such model', async () => {
    const outcome = await runRemoteStage(remoteTarget('hf://o/none'), options());
    expect(outcome.errors.map(({ code }) => code)).toEqual(['E_NOT_FOUND']);
  });

  it('finds the pickle inside a zip without its storages', async () => {
    const call = Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.', 'latin1');
    const storage = Buffer.alloc(3_000_000, 7);
    const storages = Array.from({ length: 8 }, (_, i) => ({
      name: `archive/data/${i}`,
      data: storage,
    }));
    const zip = zipFile([{ name: 'archive/data.pkl', data: call }, ...storages]);
    const url = server.serve('/m/pytorch_model.bin', zip);
    const { network } = options();
    const outcome = await runRemoteStage(remoteTarget(url), { network });
    expect(outcome.evidence.map(({ kind }) => kind)).toContain('pickle-call');
    expect(server.sentBytes).toBeLessThan(2_000_000);
  });

  it('touches no network without leave', async () => {
    hub({ 'a.jinja': '{{ lipsum }}' });
    const outcome = await runRemoteStage(remoteTarget('hf://o/n'), {});
    expect(outcome.errors.map(({ code }) => code)).toEqual(['E_NETWORK']);
    expect(server.requests).toEqual([]);
  });

  it('does not pass for stages that need the weights', async () => {
    hub({ 'a.txt': 'x' });
    const outcome = await runRemoteStage(remoteTarget('hf://o/n'), {
      ...options(),
      profile: 'quick',
    });
    expect(outcome.notCovered.every(isGap)).toBe(true);
    expect(outcome.notCovered).toHaveLength(1);
  });

  it('reads one file by its address', async () => {
    const url = server.serve('/x/chat_template.jinja', '{{ lipsum }}');
    const { network } = options();
    const authorization = 'Bearer hub-token';
    const outcome = await runRemoteStage(remoteTarget(url), {
      network: { ...network, authorization },
    });
    expect(server.requests.map((request) => request.authorization)).toEqual([undefined]);
    expect(outcome.evidence).toMatchObject([
      { kind: 'template-gadget', path: 'chat_template.jinja' },
    ]);
  });

  it.each(['hf://o', 'hf://o/n/x', 'hf://o/..', 'hf://../n', 'hf://o/n@../x'])(
    'refuses %s',
    (given) => {
      expect(() => remoteTarget(given)).toThrow(/hf:\/\/owner/);
    },
  );
});
