/**
 * Which network addresses may be asked. An address that somebody names, or that a server redirects to, must not lead into this
 * machine or its network unless that is wanted; cloud metadata services, link-local and multicast addresses are never asked.
 *
 * Ranges: IANA special-purpose address registries (RFC 6890 and its updates), and the addresses of metadata services.
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP, type LookupFunction } from 'node:net'

export interface Resolved {
  readonly address: string
  readonly family: number
}

/** Finds the addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly Resolved[]>

export const systemResolve: Resolve = host => lookup(host, { all: true })

/** What an address is, and whether asking it is a matter of permission ('private') or out of the question ('never'). */
const ranges: readonly (readonly [subnet: string, what: string, rule: 'private' | 'never'])[] = [
  ['169.254.169.254/32', 'a cloud metadata service', 'never'],
  ['169.254.170.2/32', 'a cloud metadata service', 'never'],
  ['100.100.100.200/32', 'a cloud metadata service', 'never'],
  ['168.63.129.16/32', 'a cloud metadata service', 'never'],
  ['fd00:ec2::254/128', 'a cloud metadata service', 'never'],
  ['127.0.0.0/8', 'a loopback address', 'private'],
  ['::1/128', 'a loopback address', 'private'],
  ['10.0.0.0/8', 'a private address', 'private'],
  ['172.16.0.0/12', 'a private address', 'private'],
  ['192.168.0.0/16', 'a private address', 'private'],
  ['fc00::/7', 'a private address', 'private'],
  ['fec0::/10', 'a private address', 'private'],
  ['100.64.0.0/10', 'a shared address', 'private'],
  ['198.18.0.0/15', 'a benchmarking address', 'private'],
  ['169.254.0.0/16', 'a link-local address', 'never'],
  ['fe80::/10', 'a link-local address', 'never'],
  ['224.0.0.0/4', 'a multicast address', 'never'],
  ['ff00::/8', 'a multicast address', 'never'],
  ['0.0.0.0/8', 'an unspecified address', 'never'],
  ['192.0.0.0/24', 'a reserved address', 'never'],
  ['192.0.2.0/24', 'a documentation address', 'never'],
  ['198.51.100.0/24', 'a documentation address', 'never'],
  ['203.0.113.0/24', 'a documentation address', 'never'],
  ['2001:db8::/32', 'a documentation address', 'never'],
  ['192.88.99.0/24', 'a tunnelling address', 'never'],
  ['2001::/32', 'a tunnelling address', 'never'],
  ['2002::/16', 'a tunnelling address', 'never'],
  ['64:ff9b::/96', 'a translated address', 'never'],
  ['64:ff9b:1::/48', 'a translated address', 'never'],
  ['100::/64', 'a reserved address', 'never'],
  ['240.0.0.0/4', 'a reserved address', 'never'],
  // ::/96 holds the unspecified address and the deprecated IPv4-compatible ones; ::1 was named above.
  ['::/96', 'a reserved address', 'never'],
]

const table = ranges.map(([subnet, what, rule]) => {
  const [address, bits] = subnet.split('/') as [string, string]
  const list = new BlockList()
  list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return { family: isIP(address), list, what, rule }
})

/** Why an IP address must not be asked; undefined when it may be. IPv4 addresses inside IPv6 ones count as what they are. */
export function refusal(address: string, options: { readonly allowPrivate: boolean }): string | undefined {
  const plain = mappedIPv4(address) ?? address
  const family = isIP(plain)
  if (family === 0) return `${address} is not an IP address`
  const kind = family === 6 ? 'ipv6' : 'ipv4'
  const row = table.find(each => each.family === family && each.list.check(plain, kind))
  if (row === undefined || (row.rule === 'private' && options.allowPrivate)) return undefined
  return `${address} is ${row.what}`
}

/** The IPv4 address of `::ffff:1.2.3.4` in any of its spellings. */
function mappedIPv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined
  // The URL parser knows every spelling and writes the shortest one.
  const [plain] = address.split('%')
  const match = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(new URL(`http://[${plain}]/`).hostname)
  if (match === null) return undefined
  const [high, low] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/**
 * A lookup for sockets that resolves a name and checks every address it has: what was checked is what is connected to, so a
 * name that changes its mind between check and connection gains nothing. Fails with the code `EADDRESS` when one is refused.
 */
export function guardedLookup(resolve: Resolve, options: { readonly allowPrivate: boolean }): LookupFunction {
  return (host, wanted, callback) => {
    const answer = async () => {
      const all = (await resolve(host)).filter(({ family }) => !wanted.family || familyOf(wanted.family) === family)
      if (all.length === 0) throw Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' })
      for (const { address } of all) {
        const reason = refusal(address, options)
        if (reason !== undefined) throw refused(reason)
      }
      return all
    }
    answer().then(
      all => (wanted.all ? callback(null, [...all]) : callback(null, all[0]!.address, all[0]!.family)),
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}

/** Names are checked when they are resolved; a host that is an address has no lookup and is checked here. */
export function refuseLiteral(url: URL, options: { readonly allowPrivate: boolean }): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return isIP(host) === 0 ? undefined : refusal(host, options)
}

function refused(reason: string): NodeJS.ErrnoException {
  return Object.assign(new Error(reason), { code: 'EADDRESS' })
}

function familyOf(family: number | 'IPv4' | 'IPv6'): number {
  return family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : family
}
