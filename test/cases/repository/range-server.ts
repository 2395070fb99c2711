/** A local HTTP server for tests: serves bytes with or without ranges, and misbehaves when told to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Behaviour =
  | 'ranges'
  | 'no-ranges'
  | 'changes-tag'
  | 'changes-size'
  | 'wrong-range'
  | 'short-body'
  | 'long-claim'
  | 'no-content-range'
  | 'compressed'
  | 'silent'
  | 'trickle'
  | 'redirect-loop'
  | 'redirect-private'
  | 'redirect-once'
  | 'missing'
  | 'forbidden';

export interface ServedFile {
  readonly bytes: Uint8Array;
  readonly behaviour?: Behaviour;
  readonly contentType?: string;
}

export class RangeServer {
  readonly files = new Map<string, ServedFile>();
  readonly requests: {
    readonly path: string;
    readonly range: string | undefined;
    readonly authorization: string | undefined;
  }[] = [];
  sentBytes = 0;
  readonly #server: Server;
  #count = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `http://${this.host}`;
  }

  serve(path: string, bytes: Uint8Array | string, behaviour: Behaviour = 'ranges'): string {
    this.files.set(path, { bytes: Buffer.from(bytes), behaviour });
    return `${this.origin}${path}`;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '/';
    const { range, authorization } = request.headers;
    this.requests.push({ path, range, authorization });
    this.#count += 1;
    const file = this.files.get(path);
    if (file === undefined || file.behaviour === 'missing') {
      response.writeHead(404).end();
      return;
    }
    this.#behave(file, range, response);
  }

  #behave(
    { bytes, behaviour = 'ranges' }: ServedFile,
    range: string | undefined,
    response: ServerResponse,
  ): void {
    switch (behaviour) {
      case 'forbidden':
        response.writeHead(403).end();
        return;
      case 'silent':
        return;
      case 'redirect-loop':
        response.writeHead(302, { location: '/loop' }).end();
        this.files.set('/loop', { bytes, behaviour });
        return;
      case 'redirect-private':
        response.writeHead(302, { location: 'https://169.254.169.254/latest/' }).end();
        return;
      case 'redirect-once':
        response
          .writeHead(302, { location: `http://localhost:${this.host.split(':')[1]}/target` })
          .end();
        return;
      case 'compressed':
        response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
        return;
      case 'trickle': {
        response.writeHead(200, { 'content-length': bytes.byteLength });
        const timer = setInterval(() => response.write('x'), 20);
        response.on('close', () => clearInterval(timer));
        return;
      }
      case 'no-ranges':
        this.sentBytes += bytes.byteLength;
        response.writeHead(200, { 'content-length': bytes.byteLength }).end(bytes);
        return;
      default:
        this.#range(bytes, behaviour, range, response);
    }
  }

  #range(
    bytes: Uint8Array,
    behaviour: Behaviour,
    range: string | undefined,
    response: ServerResponse,
  ): void {
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    if (match === null) {
      this.sentBytes += bytes.byteLength;
      response.writeHead(200, { 'content-length': bytes.byteLength }).end(bytes);
      return;
    }
    const start = Number(match[1]);
    if (start >= bytes.byteLength) {
      response.writeHead(416).end();
      return;
    }
    const end = Math.min(Number(match[2]), bytes.byteLength - 1);
    const part = bytes.subarray(start, end + 1);
    const late = this.#count > 1;
    const shift = behaviour === 'wrong-range' && late ? 1 : 0;
    const total = bytes.byteLength + (behaviour === 'changes-size' && late ? 1 : 0);
    const headers: Record<string, string> = {
      'content-range': `bytes ${start + shift}-${end + shift}/${total + shift}`,
      etag: behaviour === 'changes-tag' && late ? '"new"' : '"old"',
    };
    if (behaviour === 'no-content-range') delete headers['content-range'];
    if (behaviour === 'long-claim') headers['content-length'] = String(part.byteLength + 10);
    const body = behaviour === 'short-body' ? part.subarray(0, part.byteLength - 1) : part;
    this.sentBytes += body.byteLength;
    response.writeHead(206, headers);
    response.end(body, () => {
      if (behaviour === 'long-claim') response.socket?.destroy();
    });
  }
}
