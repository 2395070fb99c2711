/**
 * Files of a model on a Hugging Face compatible hub: `hf://owner/name[@revision]`. The revision is resolved to a
 * commit first, so that every file of a scan belongs to one state of the repository.
 */
import { z } from 'zod';
import { ScanError } from '../../errors.ts';
import { type HttpOptions, httpGet } from './http.ts';

export interface HubModel {
  readonly owner: string;
  readonly name: string;
  readonly revision: string;
}

export interface RemoteFile {
  readonly relative: string;
  readonly url: string;
  readonly byteLength: number;
  /** Digest of the content as the hub knows it, for files in LFS. */
  readonly sha256?: string;
}

export interface RemoteInventory {
  /** Commit that the revision meant. */
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

export const HUB_ENDPOINT = 'https://huggingface.co';

const MAX_LISTING_BYTES = 16 * 2 ** 20;
const MAX_PAGES = 100;
const MAX_FILES = 100_000;
const NAME = /^[A-Za-z0-9][\w.-]{0,95}$/;

/** @throws ScanError `E_USAGE` for an address of another form. */
export function parseHubAddress(given: string): HubModel {
  const match = /^hf:\/\/([^/@]+)\/([^/@]+)(?:@([\w./-]{1,200}))?$/.exec(given);
  const [, owner = '', name = '', revision = 'main'] = match ?? [];
  if (match === null || !NAME.test(owner) || !NAME.test(name) || revision.includes('..')) {
    throw new ScanError(
      'E_USAGE',
      `${JSON.stringify(given.slice(0, 200))} is not hf://owner/name[@revision]`,
    );
  }
  return { owner, name, revision };
}

const revisionAnswer = z.object({ sha: z.string().regex(/^[0-9a-f]{40,64}$/) });
const treeAnswer = z.array(
  z.object({
    type: z.string(),
    path: z.string().min(1).max(4096),
    size: z.number().int().nonnegative().optional(),
    lfs: z.object({ oid: z.string(), size: z.number().int().nonnegative() }).optional(),
  }),
);

/** @throws ScanError `E_NETWORK`, `E_NOT_FOUND`, `E_LIMIT`. */
export async function listHubModel(
  model: HubModel,
  options: HttpOptions,
  endpoint: string = HUB_ENDPOINT,
): Promise<RemoteInventory> {
  const id = `${model.owner}/${model.name}`;
  const api = `${endpoint}/api/models/${id}`;
  const revision = encodeURIComponent(model.revision);
  const { value } = await getJson(`${api}/revision/${revision}`, options, revisionAnswer);
  const commit = value.sha;
  const files: RemoteFile[] = [];
  let page: string | undefined = `${api}/tree/${commit}?recursive=true&expand=false`;
  for (let pages = 0; page !== undefined; pages += 1) {
    if (pages >= MAX_PAGES || files.length > MAX_FILES) {
      throw new ScanError('E_LIMIT', `the listing of ${id} does not end`);
    }
    const answer: { value: z.infer<typeof treeAnswer>; next: string | undefined } = await getJson(
      page,
      options,
      treeAnswer,
    );
    for (const { type, path, size, lfs } of answer.value) {
      if (type !== 'file') continue;
      if (path.split('/').some((part) => part === '..' || part === '.' || part === '')) {
        throw new ScanError('E_OUTSIDE', `the listing names ${JSON.stringify(path.slice(0, 100))}`);
      }
      const encoded = path.split('/').map(encodeURIComponent).join('/');
      const sha256 = /^[0-9a-f]{64}$/.test(lfs?.oid ?? '') ? lfs?.oid : undefined;
      files.push({
        relative: path,
        url: `${endpoint}/${id}/resolve/${commit}/${encoded}`,
        byteLength: lfs?.size ?? size ?? 0,
        ...(sha256 !== undefined && { sha256 }),
      });
    }
    page = nextPage(answer.next, endpoint);
  }
  files.sort((a, b) => (a.relative < b.relative ? -1 : 1));
  return { commit, files };
}

/** Only a page of the same hub is followed. */
function nextPage(link: string | undefined, endpoint: string): string | undefined {
  const target = /<([^>]{1,2000})>\s*;\s*rel="next"/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  if (new URL(target, endpoint).origin !== new URL(endpoint).origin) {
    throw new ScanError('E_NETWORK', 'the listing goes on at another host');
  }
  return new URL(target, endpoint).href;
}

async function getJson<Schema extends z.ZodType>(
  url: string,
  options: HttpOptions,
  schema: Schema,
): Promise<{ value: z.infer<Schema>; next: string | undefined }> {
  const answer = await httpGet(url, { maxBytes: MAX_LISTING_BYTES }, options);
  const { host } = new URL(url);
  if (answer.status === 404)
    throw new ScanError('E_NOT_FOUND', `${host} has no such model or revision`);
  if (answer.status !== 200 || answer.cut) {
    const hint =
      answer.status === 401 || answer.status === 403
        ? { hint: 'Set HF_TOKEN for private and gated models.' }
        : {};
    throw new ScanError(
      'E_NETWORK',
      `${host} answered ${answer.status}${answer.cut ? ' with too much text' : ''}`,
      hint,
    );
  }
  try {
    const value = schema.parse(JSON.parse(Buffer.from(answer.body).toString('utf8')));
    return { value, next: answer.headers['link'] };
  } catch (cause) {
    throw new ScanError('E_NETWORK', `the answer of ${host} is not what a hub sends`, { cause });
  }
}
