/**
 * Stage 0 over the network: the same detectors as for a folder, over sources that fetch only what they read.
 * Whole weights are never downloaded; a file that would need that is listed as not covered.
 */
import { readRestarting } from '../artifact/remote/driver.ts';
import type { HttpOptions } from '../artifact/remote/http.ts';
import {
  HUB_ENDPOINT,
  listHubModel,
  parseHubAddress,
  type RemoteFile,
} from '../artifact/remote/hub.ts';
import { REMOTE_LIMITS, type RemoteLimits, RemoteSource } from '../artifact/remote/source.ts';
import type { FileLimits } from '../detect/files/budget.ts';
import { inspect } from '../detect/files/inspect.ts';
import { inspectRepository } from '../detect/files/repository/inspect.ts';
import { viewRepository } from '../detect/files/repository/view.ts';
import { ScanError, type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import { listLookup, loadLists, type RuleLists } from '../judge/lists.ts';
import type { CancelSignal, Profile, ProgressEvent, StageOutcome, Target } from './stage.ts';

export interface NetworkOptions extends HttpOptions {
  /** Hub for `hf://`; huggingface.co unless given. */
  readonly endpoint?: string;
}

export interface RemoteStageOptions {
  readonly network?: NetworkOptions;
  /** Other stages need the weights, which are not fetched. */
  readonly profile?: Profile;
  readonly remoteLimits?: Partial<RemoteLimits>;
  readonly lists?: RuleLists;
  readonly limits?: Partial<FileLimits>;
  readonly cancel?: CancelSignal;
  onProgress?(event: ProgressEvent): void;
}

export interface RemoteOutcome extends StageOutcome {
  readonly commit?: string;
  readonly fetchedBytes: number;
  readonly requests: number;
}

const PARALLEL_FILES = 4;

export function isRemoteAddress(given: string): boolean {
  return /^(hf|https?):\/\//i.test(given);
}

/** @throws ScanError `E_USAGE` for an address that is no address. */
export function remoteTarget(given: string): Target {
  if (given.startsWith('hf://')) {
    return { given, root: given, name: parseHubAddress(given).name, kind: 'remote' };
  }
  let url: URL;
  try {
    url = new URL(given);
  } catch (cause) {
    throw new ScanError('E_USAGE', `${given} is not an address`, { cause });
  }
  const name = decodeURIComponent(url.pathname.split('/').at(-1) ?? '') || url.hostname;
  return { given, root: given, name: name.replaceAll(/[^\w.-]/g, '_'), kind: 'remote' };
}

export async function runRemoteStage(
  target: Target,
  options: RemoteStageOptions,
): Promise<RemoteOutcome> {
  const run = new RemoteRun(target, options);
  try {
    if (options.network === undefined) {
      throw new ScanError('E_NETWORK', 'a remote target is only read when the network is allowed', {
        hint: 'Add --allow-network.',
      });
    }
    await run.all(options.network);
  } catch (error) {
    run.errors.push(serializeError(toScanError(error, target.given)));
  }
  return run.outcome();
}

class RemoteRun {
  readonly errors: SerializedError[] = [];
  readonly #target: Target;
  readonly #options: RemoteStageOptions;
  readonly #limits: RemoteLimits;
  readonly #list: (name: string) => ReadonlySet<string>;
  readonly #sources = new Map<string, RemoteSource>();
  readonly #evidence = new Map<string, readonly Evidence[]>();
  readonly #notCovered = new Map<string, readonly NotCovered[]>();
  readonly #isFile: boolean;
  #commit: string | undefined;

  constructor(target: Target, options: RemoteStageOptions) {
    this.#target = target;
    this.#isFile = !target.given.startsWith('hf://');
    this.#options = options;
    this.#limits = { ...REMOTE_LIMITS, ...options.remoteLimits };
    this.#list = listLookup(options.lists ?? loadLists());
  }

  async all(network: NetworkOptions): Promise<void> {
    const { given, name } = this.#target;
    if ((this.#options.profile ?? 'files') !== 'files') {
      const why =
        'E_NETWORK: the weights of a remote model are not fetched, only its files stage ran';
      this.#notCovered.set('', [{ what: name, why }]);
    }
    if (!given.startsWith('hf://')) {
      // The token is the hub's, not that of whoever owns this address.
      const { authorization: _, ...anonymous } = network;
      const file = { relative: this.#target.name, url: given, byteLength: 0 };
      await this.#file(file, anonymous);
      await this.#repository([file]);
      return;
    }
    const { endpoint = HUB_ENDPOINT } = network;
    const inventory = await listHubModel(parseHubAddress(given), network, endpoint);
    this.#commit = inventory.commit;
    let done = 0;
    const queue = inventory.files.values();
    const work = async (): Promise<void> => {
      for (const file of queue) {
        await this.#file(file, network);
        done += 1;
        this.#progress(file, done, inventory.files.length);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_FILES }, work));
    await this.#repository(inventory.files);
  }

  async #file(file: RemoteFile, network: NetworkOptions): Promise<void> {
    const path = this.#pathOf(file.relative);
    if (this.#options.cancel?.cancelled === true) {
      this.#notCovered.set(path, [{ what: path, why: 'E_INTERRUPTED: the scan was cancelled' }]);
      return;
    }
    try {
      const source = await RemoteSource.open(file.url, path, network, this.#limits);
      this.#sources.set(file.relative, source);
      const limits = this.#options.limits ?? {};
      const found = await readRestarting(() => inspect(source, path, { list: this.#list, limits }));
      const known = knownBad(file, path, this.#list);
      this.#evidence.set(path, [...known, ...found.evidence]);
      this.#notCovered.set(path, found.notCovered);
    } catch (thrown) {
      const error = toScanError(thrown, path);
      this.#notCovered.set(path, [{ what: path, why: `${error.code}: ${error.message}` }]);
    }
  }

  async #repository(files: readonly RemoteFile[]): Promise<void> {
    const repository = () =>
      viewRepository({
        files,
        alone: this.#isFile,
        leavingLinks: [],
        open: (relative) => {
          const source = this.#sources.get(relative);
          if (source === undefined)
            throw new ScanError('E_NETWORK', `${relative} could not be opened`);
          return source;
        },
        pathOf: (relative) => this.#pathOf(relative),
        list: this.#list,
      });
    const found = await readRestarting(() => inspectRepository(repository()));
    this.#evidence.set('\uffff', found.evidence);
    this.#notCovered.set('\uffff', found.notCovered);
  }

  #pathOf(relative: string): string {
    if (relative === '' || this.#isFile) return this.#target.name;
    return `${this.#target.name}/${relative}`;
  }

  #progress({ relative }: RemoteFile, done: number, total: number): void {
    const target = this.#target.name;
    this.#options.onProgress?.({
      target,
      stage: 'files',
      label: relative,
      done,
      total,
      unit: 'files',
    });
  }

  /** In the order of paths, whatever order the files came in. */
  outcome(): RemoteOutcome {
    const inOrder = <Item>(map: ReadonlyMap<string, readonly Item[]>): Item[] =>
      [...map.keys()].sort().flatMap((key) => map.get(key) ?? []);
    const sources = [...this.#sources.values()];
    return {
      evidence: inOrder(this.#evidence),
      notCovered: inOrder(this.#notCovered),
      errors: this.errors,
      tokens: 0,
      ...(this.#commit !== undefined && { commit: this.#commit }),
      fetchedBytes: sources.reduce((sum, { fetchedBytes }) => sum + fetchedBytes, 0),
      requests: sources.reduce((sum, { requests }) => sum + requests, 0),
    };
  }
}

function knownBad(
  { sha256 }: RemoteFile,
  path: string,
  list: (name: string) => ReadonlySet<string>,
): Evidence[] {
  if (sha256 === undefined || !list('known-bad-file/hashes').has(sha256)) return [];
  return [{ kind: 'known-bad-file', path, sha256, by: 'pointer' }];
}
