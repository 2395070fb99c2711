/** `narrowfire cache`: what the float32 copies of narrow weights take, and how to be rid of them. */
import type { Command } from 'commander';
import { type CacheEntry, defaultCache } from '../../model/weights/float-cache.ts';
import type { CommandHost } from '../main.ts';

const DESCRIPTION = `Weights that are stored in another form than float32 are converted once and kept in a cache.

NARROWFIRE_CACHE names its folder and NARROWFIRE_CACHE_BYTES its size.`;

export function addCacheCommand(program: Command, { io }: CommandHost): void {
  const cache = program
    .command('cache')
    .summary('show or empty the cache of converted weights')
    .description(DESCRIPTION);
  cache
    .command('stats')
    .description('Shows the folder, how much it holds and how much it may hold.')
    .option('--json', 'print JSON')
    .action((flags: { readonly json?: boolean }) => {
      const { folder, maxBytes, ...rest } = statsOf(io.env);
      if (flags.json === true) {
        io.stdout(`${JSON.stringify({ folder, maxBytes, ...rest })}\n`);
        return;
      }
      io.stdout(`folder   ${folder}\nentries  ${rest.entries}\n`);
      io.stdout(`size     ${megabytes(rest.byteLength)} of ${megabytes(maxBytes)}\n`);
    });
  cache
    .command('prune')
    .description('Removes the least recently used entries until the cache is within its size.')
    .action(() => io.stdout(removed(defaultCache(io.env).prune())));
  cache
    .command('clear')
    .description('Removes every entry. Do not use it while a scan runs.')
    .action(() => io.stdout(removed(defaultCache(io.env).clear())));
}

export function statsOf(env: Readonly<Record<string, string | undefined>>) {
  const cache = defaultCache(env);
  const entries = cache.entries();
  return {
    folder: cache.folder,
    maxBytes: cache.maxBytes,
    entries: entries.length,
    byteLength: sizeOf(entries),
  };
}

function removed(entries: readonly CacheEntry[]): string {
  const what = entries.length === 1 ? '1 entry' : `${entries.length} entries`;
  return `removed ${what}, ${megabytes(sizeOf(entries))}\n`;
}

function sizeOf(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.byteLength, 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
