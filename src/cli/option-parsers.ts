/** Option values from text, with errors that say what would be right. */
import { InvalidArgumentError } from 'commander';

/** A parser for whole numbers of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number, at least ${least}.`);
  };
}

/** A number from 0 to 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

/** Collects a repeatable option. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Bytes from `512MB`, `1.5GiB` or a plain number; undefined for anything else. */
export function bytesOf(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = unit === '' ? 1 : BYTE_UNITS[unit.toLowerCase()];
  const bytes = Number(number) * (factor ?? Number.NaN);
  return number !== '' && Number.isFinite(bytes) && bytes >= 1 ? Math.floor(bytes) : undefined;
}

export function byteSize(text: string): number {
  const bytes = bytesOf(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError('It must be a size such as 800MB or 4GiB.');
}
