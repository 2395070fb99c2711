/** Runs a synchronous reader over remote sources: fetch what is missing, start again, until it gets through. */
import { ScanError } from '../../errors.ts';
import { MissingRemoteRange } from './source.ts';

const MAX_RESTARTS = 4096;

/** @throws what the reader or a fetch throws; `E_LIMIT` when the reader never gets through. */
export async function readRestarting<Result>(read: () => Result): Promise<Result> {
  for (let restarts = 0; restarts < MAX_RESTARTS; restarts += 1) {
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof MissingRemoteRange)) throw thrown;
      await thrown.source.fetch(thrown.offset, thrown.length);
    }
  }
  throw new ScanError('E_LIMIT', `a remote file needed more than ${MAX_RESTARTS} requests`);
}
