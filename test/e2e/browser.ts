/** A real browser over its debugging pipe: pages are loaded, measured, printed and photographed. No network is given. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

/** The browser on this machine, or undefined. `CHROMIUM` names another. */
export function findBrowser(): string | undefined {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') return named;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {}
    }
  }
  return undefined;
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export interface PageReport {
  /** Requests other than the page itself. */
  readonly requests: readonly string[];
  /** Console messages and content-policy violations. */
  readonly messages: readonly string[];
}

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #events: Reply[] = [];
  #next = 1;
  #session = '';

  private constructor(path: string) {
    this.#profile = mkdtempSync(join(tmpdir(), 'narrowfire-browser-'));
    this.#child = spawn(
      path,
      [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        '--no-first-run',
        '--host-resolver-rules=MAP * ~NOTFOUND',
        '--remote-debugging-pipe',
        `--user-data-dir=${this.#profile}`,
        'about:blank',
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    );
    let buffer = '';
    const incoming = this.#child.stdio[4] as Readable;
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      buffer += chunk;
      const parts = buffer.split('\0');
      buffer = parts.pop() ?? '';
      for (const part of parts) this.#receive(JSON.parse(part) as Reply);
    });
  }

  static async start(path: string): Promise<Browser> {
    const browser = new Browser(path);
    const { targetId } = await browser.#send('Target.createTarget', { url: 'about:blank' }, '');
    const attached = await browser.#send('Target.attachToTarget', { targetId, flatten: true }, '');
    browser.#session = String(attached['sessionId']);
    for (const domain of ['Page', 'Network', 'Runtime', 'Log']) {
      await browser.#send(`${domain}.enable`);
    }
    return browser;
  }

  #receive(reply: Reply): void {
    if (reply.id === undefined) {
      this.#events.push(reply);
      return;
    }
    this.#waiting.get(reply.id)?.(reply);
    this.#waiting.delete(reply.id);
  }

  #send(
    method: string,
    params: Record<string, unknown> = {},
    session: string = this.#session,
  ): Promise<Record<string, unknown>> {
    const id = this.#next;
    this.#next += 1;
    const message = { id, method, params, ...(session !== '' && { sessionId: session }) };
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (reply) => {
        if (reply.error === undefined) resolve(reply.result ?? {});
        else reject(new Error(`${method}: ${reply.error.message}`));
      });
    });
  }

  async #view(width: number, scheme: 'light' | 'dark', media = ''): Promise<void> {
    await this.#send('Emulation.setEmulatedMedia', {
      media,
      features: [{ name: 'prefers-color-scheme', value: scheme }],
    });
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height: 900,
      deviceScaleFactor: 1,
      mobile: false,
    });
  }

  async open(file: string, width: number, scheme: 'light' | 'dark' = 'light'): Promise<PageReport> {
    this.#events.length = 0;
    await this.#view(width, scheme);
    await this.#send('Page.navigate', { url: `file://${file}` });
    while (!this.#events.some((event) => event.method === 'Page.loadEventFired')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const requests = this.#events
      .filter((event) => event.method === 'Network.requestWillBeSent')
      .map((event) => String((event.params?.['request'] as { url?: string } | undefined)?.url))
      .filter((url) => url !== `file://${file}`);
    const messages = this.#events
      .filter(
        (event) => event.method === 'Log.entryAdded' || event.method === 'Runtime.consoleAPICalled',
      )
      .map((event) => JSON.stringify(event.params));
    return { requests, messages };
  }

  async evaluate(expression: string): Promise<unknown> {
    const reply = await this.#send('Runtime.evaluate', { expression, returnByValue: true });
    return (reply['result'] as { readonly value?: unknown }).value;
  }

  /** The page as PNG, from its top to `maxHeight`. */
  async photograph(maxHeight: number): Promise<Buffer> {
    const { cssContentSize } = (await this.#send('Page.getLayoutMetrics')) as {
      cssContentSize: { width: number; height: number };
    };
    const { data } = await this.#send('Page.captureScreenshot', {
      captureBeyondViewport: true,
      clip: {
        x: 0,
        y: 0,
        width: cssContentSize.width,
        height: Math.min(maxHeight, Math.ceil(cssContentSize.height)),
        scale: 1,
      },
    });
    return Buffer.from(String(data), 'base64');
  }

  async print(): Promise<Buffer> {
    const { data } = await this.#send('Page.printToPDF', { preferCSSPageSize: true });
    return Buffer.from(String(data), 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.#send('Browser.close', {}, '').catch(() => this.#child.kill());
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
