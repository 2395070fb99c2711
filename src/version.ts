/** The version of this package, from its manifest: one place for the command line, SARIF and caches. */
import { createRequire } from 'node:module';

const manifest = createRequire(import.meta.url)('../package.json') as { readonly version: string };

export const VERSION: string = manifest.version;
