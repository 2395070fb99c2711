import { describe, expect, it } from 'vitest';
import {
  chooseDevice,
  deviceOrder,
  isWorthwhile,
  probeDevice,
} from '../../../src/engine/device.ts';
import { f32Output, Session } from '../../../src/engine/session.ts';
import { Graph, int } from '../../../src/onnx/graph.ts';

describe('devices', () => {
  it('finds the CPU, which always works', async () => {
    expect(await probeDevice('cpu')).toMatchObject({ device: 'cpu', works: true });
    expect(await chooseDevice('cpu')).toBe('cpu');
  });

  it('says why another one is not there, and refuses it by name with a hint', async () => {
    const device = process.platform === 'win32' ? 'coreml' : 'dml';
    const probe = await probeDevice(device);
    expect(probe).toMatchObject({ works: false, why: expect.stringContaining(device) });
    await expect(chooseDevice(device)).rejects.toMatchObject({
      code: 'E_DEVICE',
      hint: expect.stringContaining('--device cpu'),
    });
  });

  it('gives a clean answer for CUDA and WebGPU, whether they are there or not', async () => {
    for (const device of ['cuda', 'webgpu'] as const) {
      const probe = await probeDevice(device);
      if (probe.works) expect(probe.milliseconds).toBeGreaterThan(0);
      else expect(probe.why).toMatch(/^[^\n]{5,200}$/);
    }
  });

  it('chooses a device that works', async () => {
    expect((await probeDevice(await chooseDevice('auto'))).works).toBe(true);
  });

  it('tries the fastest first and never takes a slow one', () => {
    expect(deviceOrder('win32')[1]).toBe('dml');
    expect(deviceOrder('darwin')[0]).toBe('coreml');
    expect(deviceOrder('linux').at(-1)).toBe('cpu');
    const cpu = { device: 'cpu', works: true, milliseconds: 2 } as const;
    expect(isWorthwhile({ device: 'webgpu', works: true, milliseconds: 350 }, cpu)).toBe(false);
    expect(isWorthwhile({ device: 'webgpu', works: true, milliseconds: 0.4 }, cpu)).toBe(true);
  });

  it('WebGPU agrees with the CPU on a softmax of a product', async (context) => {
    if (!(await probeDevice('webgpu')).works) context.skip();
    const g = new Graph();
    const x = g.input('x', 'f32', [4, 8]);
    const scores = g.op('MatMul', [x, g.transpose(x, [1, 0])]);
    g.output('y', g.op('Softmax', [scores], { axis: int(-1) }), 'f32', [4, 4]);
    const data = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i));
    const results: Float32Array[] = [];
    for (const device of ['cpu', 'webgpu'] as const) {
      const session = await Session.open(g, { device });
      const outputs = await session.run({ x: { type: 'f32', data, dims: [4, 8] } });
      results.push(f32Output(outputs, 'y'));
      await session.close();
    }
    const [onCpu = [], onGpu = []] = results;
    for (const [i, value] of onCpu.entries()) expect(onGpu[i]).toBeCloseTo(value, 5);
  });
});
