/**
 * Motifs of a model's leakage as in The Trigger in the Haystack (arXiv 2602.03085): TF-IDF over character 4- to 6-grams,
 * DBSCAN on cosine distance, and of the largest cluster the n-grams that a third of its members share, stitched together.
 */
const SIZES = [4, 5, 6];
const MIN_DOCUMENTS = 2;
/** N-grams in more of the texts than this say nothing. */
const COMMON_SHARE = 0.75;
const EPSILON = 0.65;
const MIN_NEIGHBOURS = 3;
const MEMBER_SHARE = 0.33;
const MIN_OVERLAP = 3;
const MIN_MOTIF = 6;
const MAX_MOTIFS = 12;

export function leakMotifs(texts: readonly string[]): string[] {
  const grams = texts.map(gramsOf);
  const cluster = largestCluster(neighbours(grams));
  const members = cluster.map((i) => grams[i] as ReadonlySet<string>);
  const counts = documentCounts(members);
  const all = documentCounts(grams);
  const shared = [...counts]
    .filter(([gram, count]) => {
      const common = (all.get(gram) ?? 0) >= COMMON_SHARE * texts.length;
      return !common && count >= MEMBER_SHARE * members.length;
    })
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([gram]) => gram);
  return stitch(shared.filter((gram) => gram.length === SIZES.at(-1)))
    .filter((motif) => motif.length >= MIN_MOTIF)
    .slice(0, MAX_MOTIFS);
}

function gramsOf(text: string): ReadonlySet<string> {
  const grams = new Set<string>();
  for (const size of SIZES) {
    for (let at = 0; at + size <= text.length; at++) grams.add(text.slice(at, at + size));
  }
  return grams;
}

function documentCounts(documents: readonly ReadonlySet<string>[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const grams of documents) {
    for (const gram of grams) counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** For each text the others within the distance. Presence stands for term frequency: the texts are short. */
function neighbours(documents: readonly ReadonlySet<string>[]): number[][] {
  const counts = documentCounts(documents);
  const postings = new Map<string, number[]>();
  const norms = new Float64Array(documents.length);
  const weight = (gram: string) =>
    Math.log((1 + documents.length) / (1 + (counts.get(gram) ?? 0))) + 1;
  documents.forEach((grams, i) => {
    for (const gram of grams) {
      const count = counts.get(gram) ?? 0;
      if (count < MIN_DOCUMENTS || count >= COMMON_SHARE * documents.length) continue;
      norms[i] = (norms[i] as number) + weight(gram) ** 2;
      const list = postings.get(gram);
      if (list === undefined) postings.set(gram, [i]);
      else list.push(i);
    }
  });
  const size = documents.length;
  const products = new Float64Array(size * size);
  for (const [gram, list] of postings) {
    const power = weight(gram) ** 2;
    for (const a of list) {
      for (const b of list) products[a * size + b] = (products[a * size + b] as number) + power;
    }
  }
  return documents.map((_, a) =>
    documents.flatMap((__, b) => {
      const norm = Math.sqrt((norms[a] as number) * (norms[b] as number));
      const near =
        a !== b && (products[a * size + b] as number) >= (1 - EPSILON) * norm && norm > 0;
      return near ? [b] : [];
    }),
  );
}

/** DBSCAN. */
function largestCluster(near: readonly (readonly number[])[]): number[] {
  const seen = new Set<number>();
  let largest: number[] = [];
  for (let seed = 0; seed < near.length; seed++) {
    if (seen.has(seed) || (near[seed]?.length ?? 0) + 1 < MIN_NEIGHBOURS) continue;
    const cluster: number[] = [];
    const waiting = [seed];
    seen.add(seed);
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      cluster.push(at);
      const around = near[at] ?? [];
      if (around.length + 1 < MIN_NEIGHBOURS) continue;
      for (const next of around) {
        if (seen.has(next)) continue;
        seen.add(next);
        waiting.push(next);
      }
    }
    if (cluster.length > largest.length) largest = cluster;
  }
  return largest;
}

function stitch(grams: readonly string[]): string[] {
  const rest = [...grams];
  const motifs: string[] = [];
  for (let motif = rest.shift(); motif !== undefined; motif = rest.shift()) {
    let grown = motif;
    for (let changed = true; changed; ) {
      changed = false;
      for (const [i, gram] of rest.entries()) {
        const joined = join(grown, gram) ?? join(gram, grown);
        if (joined === undefined) continue;
        grown = joined;
        rest.splice(i, 1);
        changed = true;
        break;
      }
    }
    motifs.push(grown);
  }
  return motifs;
}

function join(a: string, b: string): string | undefined {
  if (a.includes(b)) return a;
  for (let overlap = Math.min(a.length, b.length); overlap >= MIN_OVERLAP; overlap--) {
    if (a.endsWith(b.slice(0, overlap))) return a + b.slice(overlap);
  }
  return undefined;
}
