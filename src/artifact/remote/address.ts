/**
 * Which hosts may be reached. A model address comes from outside, so it must not lead into the network behind the
 * scanner: a name is resolved once, every address is checked, and the connection goes to the checked one (a second
 * look-up could answer differently).
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { ScanError } from '../../errors.ts';

export interface AddressPolicy {
  /** Hosts, with or without port, that may be private or use plain HTTP: `mirror.internal`, `127.0.0.1:8080`. */
  readonly allowHosts: readonly string[];
}

export interface PinnedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** IANA special-purpose ranges that are not public unicast. */
const NOT_PUBLIC = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv4');
}

/** Only 2000::/3 is public, and of that not the ranges that carry an IPv4 address or are documentation. */
const PUBLIC_V6 = new BlockList();
PUBLIC_V6.addSubnet('2000::', 3, 'ipv6');
const NOT_PUBLIC_V6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  NOT_PUBLIC_V6.addSubnet(network, prefix, 'ipv6');
}

export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !NOT_PUBLIC.check(address, 'ipv4');
  if (family !== 6) return false;
  return PUBLIC_V6.check(address, 'ipv6') && !NOT_PUBLIC_V6.check(address, 'ipv6');
}

export function isListed(url: URL, policy: AddressPolicy): boolean {
  return policy.allowHosts.some((host) => host === url.host || host === url.hostname);
}

/**
 * The address to connect to.
 * @throws ScanError `E_NETWORK` for another protocol, a private address or an unknown name.
 */
export async function pinAddress(url: URL, policy: AddressPolicy): Promise<PinnedAddress> {
  const listed = isListed(url, policy);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && listed)) {
    throw new ScanError('E_NETWORK', `${url.protocol}//${url.host} is not an https address`, {
      hint: 'List the host to allow plain HTTP to it.',
    });
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const literal = isIP(host);
  const found = literal === 0 ? await resolve(host) : [{ address: host, family: literal as 4 | 6 }];
  // One private answer among public ones is an attack or a mistake; either way it is refused.
  const hidden = found.find(({ address }) => !isPublicAddress(address));
  if (hidden !== undefined && !listed) {
    throw new ScanError(
      'E_NETWORK',
      `${url.host} leads to ${hidden.address}, which is not public`,
      {
        hint: 'List the host if it is meant.',
      },
    );
  }
  const [first] = found;
  if (first === undefined) throw new ScanError('E_NETWORK', `${host} has no address`);
  return first;
}

async function resolve(host: string): Promise<PinnedAddress[]> {
  try {
    const answers = await lookup(host, { all: true });
    return answers.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (cause) {
    throw new ScanError('E_NETWORK', `${host} cannot be resolved`, { cause });
  }
}
