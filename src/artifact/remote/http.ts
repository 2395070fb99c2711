/**
 * One bounded GET: a pinned address, redirects followed by hand and checked one by one, limits on time and bytes,
 * no compression (lengths must mean what they say), no cookies, no cache.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ScanError } from '../../errors.ts';
import { type AddressPolicy, pinAddress } from './address.ts';

export interface HttpLimits {
  readonly maxRedirects: number;
  /** For one request, from the first byte sent to the last received. */
  readonly maxMs: number;
  /** Without any byte arriving. */
  readonly maxIdleMs: number;
}

export const HTTP_LIMITS: HttpLimits = { maxRedirects: 5, maxMs: 60_000, maxIdleMs: 15_000 };

export interface HttpOptions extends AddressPolicy {
  readonly limits?: Partial<HttpLimits>;
  /** Sent only to the origin that was asked first. */
  readonly authorization?: string;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** After redirects. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  /** The body was cut at `maxBytes`. */
  readonly cut: boolean;
}

export interface GetOptions {
  readonly range?: ByteRange;
  /** The body is read up to here and then cut. */
  readonly maxBytes: number;
}

/** @throws ScanError `E_NETWORK` for anything but an answer; `E_TIMEOUT` past a time limit. */
export async function httpGet(
  url: string,
  get: GetOptions,
  options: HttpOptions,
): Promise<HttpAnswer> {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const deadline = AbortSignal.timeout(limits.maxMs);
  let current = parseUrl(url);
  const { origin } = current;
  for (let redirects = 0; redirects <= limits.maxRedirects; redirects += 1) {
    const trusted = current.origin === origin;
    const response = await send(current, get, options, trusted, limits, deadline);
    const location = response.headers.location;
    const status = response.statusCode ?? 0;
    if (location !== undefined && [301, 302, 303, 307, 308].includes(status)) {
      response.destroy();
      current = parseUrl(location, current);
      continue;
    }
    const { body, cut } = await readBody(response, get.maxBytes, deadline);
    const headers = response.headers as HttpAnswer['headers'];
    return { status, url: current.href, headers, body, cut };
  }
  throw new ScanError('E_NETWORK', `more than ${limits.maxRedirects} redirects`);
}

function parseUrl(text: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch (cause) {
    throw new ScanError('E_NETWORK', `${JSON.stringify(text.slice(0, 200))} is not an address`, {
      cause,
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new ScanError('E_NETWORK', 'an address with a password in it is refused');
  }
  return url;
}

async function send(
  url: URL,
  { range }: GetOptions,
  options: HttpOptions,
  trusted: boolean,
  limits: HttpLimits,
  deadline: AbortSignal,
): Promise<IncomingMessage> {
  const pinned = await pinAddress(url, options);
  const headers: Record<string, string> = {
    'accept-encoding': 'identity',
    'user-agent': 'narrowfire',
    ...(range !== undefined && {
      range: `bytes=${range.offset}-${range.offset + range.length - 1}`,
    }),
    ...(trusted && options.authorization !== undefined && { authorization: options.authorization }),
  };
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        headers,
        signal: deadline,
        timeout: limits.maxIdleMs,
        // Node may ask for one answer or for all of them.
        lookup: (_host, { all }, done) =>
          all === true ? done(null, [pinned]) : done(null, pinned.address, pinned.family),
      },
      resolve,
    );
    outgoing.on('timeout', () =>
      outgoing.destroy(
        new ScanError('E_TIMEOUT', `${url.host} sent nothing for ${limits.maxIdleMs} ms`),
      ),
    );
    outgoing.on('error', (error) => reject(networkError(error, url.host, deadline)));
    outgoing.end();
  });
}

async function readBody(
  response: IncomingMessage,
  maxBytes: number,
  deadline: AbortSignal,
): Promise<{ body: Uint8Array; cut: boolean }> {
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    response.destroy();
    throw new ScanError('E_NETWORK', `the server sent ${encoding} although it was asked not to`);
  }
  const declared = response.headers['content-length'];
  if (Number(declared) > maxBytes) {
    response.destroy();
    return { body: new Uint8Array(0), cut: true };
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.byteLength;
      if (length > maxBytes) {
        response.destroy();
        return { body: Buffer.concat(chunks).subarray(0, maxBytes), cut: true };
      }
    }
  } catch (error) {
    throw networkError(error, 'the server', deadline);
  }
  if (declared !== undefined && Number(declared) !== length) {
    throw new ScanError('E_NETWORK', `the server promised ${declared} bytes and sent ${length}`);
  }
  return { body: Buffer.concat(chunks), cut: false };
}

function networkError(error: unknown, host: string, deadline: AbortSignal): ScanError {
  if (error instanceof ScanError) return error;
  if (deadline.aborted) {
    return new ScanError('E_TIMEOUT', `${host} took too long`, { cause: error });
  }
  const why = error instanceof Error ? error.message : String(error);
  return new ScanError('E_NETWORK', `${host}: ${why}`, { cause: error });
}
