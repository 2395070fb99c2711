/** Text files as a person's editor shows them: UTF-8, with broken bytes replaced and a leading mark removed. */
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: false });

export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
