#!/usr/bin/env node
// Starts the command line; everything else is compiled from src/cli.
import { main } from '../dist/cli/main.js';

// A closed pipe (`narrowfire scan x | head`) ends the output, not the scan.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
});
process.exitCode = await main(process.argv.slice(2));
