/** The pool: order, bounds, cancelling, errors across the thread border, and sessions that come and go. */
import { afterEach, describe, expect, it } from 'vitest';
import { Engine, type EngineOptions } from '../../../src/engine/engine.ts';
import { type Feeds, f32Output, floats, ids } from '../../../src/engine/session.ts';
import { Graph } from '../../../src/onnx/graph.ts';

const opened: Engine[] = [];

function open(options: EngineOptions): Engine {
  const engine = new Engine(options);
  opened.push(engine);
  return engine;
}

afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close();
});

/** y = x + factor · turns, in `turns` turns of a loop: its length is the caller's choice. */
function loopGraph(factor = 1): Graph {
  const g = new Graph();
  const x = g.input('x', 'f32', ['n']);
  const turns = g.input('turns', 'i64', []);
  const body = g.subgraph();
  body.input('i', 'i64', []);
  const going = body.input('going', 'bool', []);
  const state = body.input('state', 'f32', ['n']);
  body.output('going_out', going, 'bool', []);
  body.output('state_out', body.add(state, body.f32(factor)), 'f32', ['n']);
  const [sum = x] = g.ops('Loop', [turns, g.bool(true), x], 1, {
    body: { type: 'graph', value: body },
  });
  g.output('y', sum, 'f32', ['n']);
  return g;
}

const feedsOf = (x: number, turns: number): Feeds => ({
  x: floats([x], [1]),
  turns: ids([turns], []),
});
const LONG = 200_000;

describe('Engine', () => {
  it.each([1, 2])(
    'hands results over in the order of the jobs with %i workers',
    async (workers) => {
      const engine = open({ workers });
      const plan = engine.plan(loopGraph());
      // Early jobs are the long ones, so that order by completion would be another.
      const jobs = Array.from({ length: 12 }, (_, i) => feedsOf(i, i % 3 === 0 ? 2000 : 1));
      const seen: [number, number][] = [];
      await engine.runAll(plan, jobs, (outputs, index) => {
        seen.push([index, f32Output(outputs, 'y')[0] ?? Number.NaN]);
      });
      expect(seen).toEqual(jobs.map((_, i) => [i, i + (i % 3 === 0 ? 2000 : 1)]));
      expect(engine.cpuMicroseconds).toBeGreaterThan(0);
    },
  );

  it('never draws far more jobs than were received', async () => {
    const engine = open({ workers: 2 });
    const plan = engine.plan(loopGraph());
    let drawn = 0;
    let received = 0;
    let ahead = 0;
    function* jobs() {
      for (let i = 0; i < 30; i++) {
        drawn += 1;
        ahead = Math.max(ahead, drawn - received);
        yield feedsOf(i, 1);
      }
    }
    await engine.runAll(plan, jobs(), () => {
      received += 1;
    });
    expect(received).toBe(30);
    expect(ahead).toBeLessThanOrEqual(5);
  });

  it('ends running jobs after cancelling and starts no other', async () => {
    const cancel = { cancelled: false };
    const engine = open({ workers: 1, cancel });
    const plan = engine.plan(loopGraph());
    const running = engine.run(plan, feedsOf(0, LONG));
    cancel.cancelled = true;
    await expect(engine.run(plan, feedsOf(0, 1))).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    expect(f32Output(await running, 'y')[0]).toBe(LONG);
  });

  it('cancelled inside a list, waits for the long job and throws once', async () => {
    const cancel = { cancelled: false };
    const engine = open({ workers: 2, cancel });
    const plan = engine.plan(loopGraph());
    const received: number[] = [];
    function* jobs() {
      yield feedsOf(0, LONG);
      cancel.cancelled = true;
      // Refused at once, while the first still runs: nobody awaits this one yet.
      yield feedsOf(1, 1);
      yield feedsOf(2, 1);
    }
    const all = engine.runAll(plan, jobs(), (_, index) => received.push(index));
    await expect(all).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    expect(received).toEqual([0]);
  });

  it('keeps the code of an error that a worker met, and goes on', async () => {
    const engine = open({ workers: 2 });
    const broken = new Graph();
    broken.output('y', broken.op('NoSuchOperator', [broken.f32(1)]), 'f32', []);
    await expect(engine.run(engine.plan(broken), {})).rejects.toMatchObject({ code: 'E_ENGINE' });
    const plan = engine.plan(loopGraph());
    const wrong = { x: floats([1], [1]) };
    const jobs = [feedsOf(0, LONG), wrong, feedsOf(2, 1)];
    await expect(engine.runAll(plan, jobs, () => undefined)).rejects.toMatchObject({
      code: 'E_ENGINE',
    });
    expect(f32Output(await engine.run(plan, feedsOf(5, 1)), 'y')[0]).toBe(6);
  });

  it('gives up a list when the receiver throws, and leaves nothing running', async () => {
    const engine = open({ workers: 2 });
    const plan = engine.plan(loopGraph());
    const jobs = Array.from({ length: 6 }, (_, i) => feedsOf(i, 100));
    const failing = engine.runAll(plan, jobs, (_, index) => {
      if (index === 1) throw new Error('enough');
    });
    await expect(failing).rejects.toThrow('enough');
    expect(f32Output(await engine.run(plan, feedsOf(1, 1)), 'y')[0]).toBe(2);
  });

  it('runs more plans than a worker keeps sessions for', async () => {
    const engine = open({ workers: 1 });
    const plans = Array.from({ length: 40 }, (_, i) => engine.plan(loopGraph(i)));
    for (const round of [1, 2]) {
      for (const [i, plan] of plans.entries()) {
        const outputs = await engine.run(plan, feedsOf(0, round));
        expect(f32Output(outputs, 'y')[0]).toBe(i * round);
      }
    }
  });
});
