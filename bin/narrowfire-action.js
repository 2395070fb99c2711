#!/usr/bin/env node
// Starts a step of the GitHub Action; everything else is compiled from src/action.
import { runStep } from '../dist/action/main.js';

process.exitCode = await runStep(process.argv[2] ?? '', process.env, {
  stdout: (text) => void process.stdout.write(text),
  today: () => new Date().toISOString().slice(0, 10),
});
