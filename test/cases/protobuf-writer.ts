/** Writes protobuf wire fields, for cases that no framework would write. */

/** A signed 64-bit value as a varint; ten bytes when negative. */
export function varint(value: number | bigint): Buffer {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const bits = Number(left & 0x7fn);
    left >>= 7n;
    bytes.push(left === 0n ? bits : bits | 0x80);
  } while (left !== 0n);
  return Buffer.from(bytes);
}

export function varintField(number: number, value: number | bigint): Buffer {
  return Buffer.concat([varint(number * 8), varint(value)]);
}

/** A length-delimited field: text, bytes, or the joined parts of a nested message. */
export function bytesField(
  number: number,
  value: string | Uint8Array | readonly Uint8Array[],
): Buffer {
  const body = Array.isArray(value) ? Buffer.concat(value) : Buffer.from(value as string);
  return Buffer.concat([varint(number * 8 + 2), varint(body.byteLength), body]);
}
