/** A case file of a rule, made by code so that nobody has to trust binary files in the repository. */
export interface RuleCase {
  /** Folder below `rules/`. */
  readonly rule: string;
  /** `positive-…` or `negative-…` with an extension; `/` makes a folder case. */
  readonly name: string;
  bytes(): Uint8Array;
}

/** Builds a case list for one rule. */
export function casesOf(
  rule: string,
  files: Readonly<Record<string, () => Uint8Array>>,
): readonly RuleCase[] {
  return Object.entries(files).map(([name, bytes]) => ({ rule, name, bytes }));
}
