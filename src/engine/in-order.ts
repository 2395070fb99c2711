/** Runs jobs with bounded look-ahead, so that a long list of feeds is never in memory at once. */

/**
 * Results arrive at `receive` in the order of the jobs.
 * @param inFlight most jobs under way or waiting at once
 */
export async function inOrder<Job, Result>(
  jobs: Iterable<Job>,
  run: (job: Job) => Promise<Result>,
  inFlight: number,
  receive: (result: Result, index: number) => void,
): Promise<void> {
  const waiting: Promise<Result>[] = [];
  let received = 0;
  const next = async () => receive(await (waiting.shift() as Promise<Result>), received++);
  try {
    for (const job of jobs) {
      if (waiting.length >= inFlight) await next();
      const running = run(job);
      // It may fail while an earlier one is still awaited; a rejection that nobody awaits yet would end the process.
      running.catch(() => undefined);
      waiting.push(running);
    }
    while (waiting.length > 0) await next();
  } finally {
    // After a failure the others still run to their end: nothing may be left in flight.
    await Promise.allSettled(waiting);
  }
}
