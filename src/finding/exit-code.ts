/** The one place where a verdict becomes a process exit code; the same in every output format. */
export const EXIT = {
  ok: 0,
  findings: 1,
  usage: 2,
  nothingToScan: 3,
  incomplete: 4,
  internal: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
