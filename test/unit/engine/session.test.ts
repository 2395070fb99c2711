import { expect, it } from 'vitest';
import { f32Output, floats, i64Output, ids, Session } from '../../../src/engine/session.ts';
import { Graph } from '../../../src/onnx/graph.ts';

const device = 'cpu';

function sumGraph(): Graph {
  const g = new Graph();
  const a = g.input('a', 'i64', ['n']);
  const b = g.input('b', 'f32', ['n']);
  g.output('twice', g.add(a, a), 'i64', ['n']);
  g.output('sum', g.add(g.cast(a, 'f32'), b), 'f32', ['n']);
  return g;
}

it('carries float32 and int64 both ways, negative and empty ones too', async () => {
  const session = await Session.open(sumGraph(), { device });
  const outputs = await session.run({ a: ids([-3, 5], [2]), b: floats([0.5, -1], [2]) });
  expect([...i64Output(outputs, 'twice')]).toEqual([-6, 10]);
  expect([...f32Output(outputs, 'sum')]).toEqual([-2.5, 4]);
  expect(outputs['sum']?.dims).toEqual([2]);
  const empty = await session.run({ a: ids([], [0]), b: floats([], [0]) });
  expect(f32Output(empty, 'sum')).toHaveLength(0);
  await session.close();
});

it('gives only what is wanted', async () => {
  const session = await Session.open(sumGraph(), { device });
  const outputs = await session.run({ a: ids([1], [1]), b: floats([1], [1]) }, ['twice']);
  expect(Object.keys(outputs)).toEqual(['twice']);
  expect(() => f32Output(outputs, 'sum')).toThrow(/no float output sum/);
  expect(() => f32Output(outputs, 'twice')).toThrow(/no float output twice/);
  expect(() => i64Output(outputs, 'none')).toThrow(/no int output none/);
  await session.close();
});

it('turns refusals of the engine into errors of one line', async () => {
  const broken = new Graph();
  broken.output('y', broken.op('NoSuchOperator', [broken.f32(1)]), 'f32', []);
  const oneLine = { code: 'E_ENGINE', message: expect.stringMatching(/^[^\n]{5,500}$/) };
  await expect(Session.open(broken, { device })).rejects.toMatchObject(oneLine);
  const session = await Session.open(sumGraph(), { device });
  await expect(session.run({ a: ids([1], [1]) })).rejects.toMatchObject(oneLine);
  const wrong = { a: ids([1, 2], [2]), b: floats([1, 2, 3], [3]) };
  await expect(session.run(wrong)).rejects.toMatchObject(oneLine);
  await session.close();
});

it('refuses outputs of other types', async () => {
  const g = new Graph();
  g.output('y', g.op('Less', [g.f32(1), g.f32(2)]), 'bool', []);
  const session = await Session.open(g, { device });
  await expect(session.run({})).rejects.toMatchObject({ code: 'E_ENGINE' });
  await session.close();
});
