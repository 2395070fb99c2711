// Loaded with `--import`: writes what the process used at its end into the file that BENCH_PEAK_FILE names.
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const file = process.env['BENCH_PEAK_FILE'];
  if (file === undefined) return;
  const { user, system } = process.cpuUsage();
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  writeFileSync(file, JSON.stringify({ peakBytes, cpuSeconds: (user + system) / 1e6 }));
});
