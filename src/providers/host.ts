// Where a host name or address leads: to this machine, into a private network, or out to the internet.
// RFC 6890 (special-purpose addresses), RFC 6761 (localhost), RFC 8252 section 7.3 (loopback).

/** What a host is: this machine, an address inside a private or otherwise special network, or anything else. */
export type HostKind = 'loopback' | 'private' | 'public'

/** [first octets, prefix length] of the IPv4 blocks that are not reachable across the internet. */
const SPECIAL_IPV4: readonly (readonly [number, number])[] = [
  [0x00000000, 8],
  [0x0a000000, 8],
  [0x64400000, 10],
  [0xa9fe0000, 16],
  [0xac100000, 12],
  [0xc0000000, 24],
  [0xc0000200, 24],
  [0xc0a80000, 16],
  [0xc6120000, 15],
  [0xc6336400, 24],
  [0xcb007100, 24],
  [0xe0000000, 3],
]

/**
 * Sorts a host as `new URL(…).hostname` writes it (so that `0x7f.1` has become `127.0.0.1`). Only what is written
 * is judged: a public name that resolves to a private address is `public` here.
 */
export function hostKind(hostname: string): HostKind {
  const host = hostname.toLowerCase().replace(/\.$/, '')
  if (host.startsWith('[')) return ipv6Kind(host.slice(1, -1))
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return ipv4Kind(ipv4Number(host))
  return host === 'localhost' || host.endsWith('.localhost') ? 'loopback' : 'public'
}

/** Whether a name belongs to a zone that only private networks use: `.internal`, `.local`, `.home.arpa`, one label. */
export function isPrivateName(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, '')
  if (host.startsWith('[')) return false
  return !host.includes('.') || /\.(internal|local|localdomain|lan|intranet|corp|home|home\.arpa)$/.test(host)
}

function ipv4Number(address: string): number {
  return address.split('.').reduce((total, octet) => total * 256 + Number(octet), 0)
}

function ipv4Kind(address: number): HostKind {
  if (address >>> 24 === 127) return 'loopback'
  const special = SPECIAL_IPV4.some(([block, length]) => (address ^ block) >>> (32 - length) === 0)
  return special ? 'private' : 'public'
}

function ipv6Kind(address: string): HostKind {
  const groups = ipv6Groups(address)
  if (groups === undefined) return 'private'
  const [first = 0] = groups
  const leadingZeros = groups.findIndex((group) => group !== 0)
  if (leadingZeros === 7 && groups[7] === 1) return 'loopback'
  const embedded = (groups[6] ?? 0) * 65536 + (groups[7] ?? 0)
  const mapped = (leadingZeros === 5 && groups[5] === 0xffff) || (leadingZeros === 4 && groups[4] === 0xffff)
  const translated = first === 0x64 && groups[1] === 0xff9b && groups[2] === 0
  if (mapped || translated) return ipv4Kind(embedded)
  // 6to4 (RFC 3056) has the IPv4 address behind its prefix.
  if (first === 0x2002) return ipv4Kind((groups[1] ?? 0) * 65536 + (groups[2] ?? 0))
  if (leadingZeros === -1 || leadingZeros >= 6) return 'private'
  return isSpecialIpv6(groups) ? 'private' : 'public'
}

/**
 * Local translation (64:ff9b:1::/48), discard (100::/64), protocols with an IPv4 address inside (2001::/23, Teredo),
 * documentation (2001:db8::/32, 3fff::/20), unique local, link and site local, multicast.
 */
function isSpecialIpv6([first = 0, second = 0]: readonly number[]): boolean {
  if (first === 0x64 && second === 0xff9b) return true
  if (first === 0x2001) return second < 0x200 || second === 0xdb8
  if (first === 0x100 || (first === 0x3fff && second < 0x1000)) return true
  return first >= 0xff00 || (first & 0xfe00) === 0xfc00 || (first & 0xff80) === 0xfe80
}

/** The eight groups of an address as `URL` writes it (no embedded dotted quad, no zone). */
function ipv6Groups(address: string): number[] | undefined {
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - before.length - after.length
  const groups = [...before, ...Array<string>(Math.max(0, missing)).fill('0'), ...after]
  return groups.length === 8 ? groups.map((group) => Number.parseInt(group, 16)) : undefined
}
