#!/usr/bin/env node
// Starts the command line; everything else is compiled from src/cli.
import { main } from '../dist/cli/main.js';

let failed = false;
process.stdout.on('error', (error) => {
  // A closed pipe (`narrowfire scan x | head`) ends the output, not the scan; a full disk is an error.
  if (error.code === 'EPIPE' || failed) return;
  failed = true;
  process.stderr.write(`E_OUTPUT stdout: ${error.message}.\n`);
  process.exitCode = process.exitCode || 4;
});
const code = await main(process.argv.slice(2));
process.exitCode = failed && code === 0 ? 4 : code;
