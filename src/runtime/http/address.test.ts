/** Which addresses are asked, in every spelling that a URL allows. */
import type { LookupFunction } from 'node:net'
import { describe, expect, test } from 'vitest'
import { guardedLookup, type Resolve, refusal, refuseLiteral } from './address.js'

const inside = { allowPrivate: true }
const outside = { allowPrivate: false }

describe('addresses', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '100.128.0.1'])(
    'public: %s',
    address => expect(refusal(address, outside)).toBeUndefined(),
  )
  test.each([
    '127.0.0.1',
    '127.8.9.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fd12::1',
    '::ffff:127.0.0.1',
    '::ffff:0a01:0203',
  ])('asked with permission only: %s', address => {
    expect(refusal(address, outside)).toContain(address)
    expect(refusal(address, inside)).toBeUndefined()
  })
  test.each([
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '169.254.0.9',
    'fe80::1',
    'fe80::1%eth0',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::169.254.169.254',
    'fd00:ec2::254',
    '100.100.100.200',
    'example.org',
  ])('never asked: %s', address => expect(refusal(address, inside)).toBeDefined())
  test.each([
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://[::ffff:a9fe:a9fe]/',
    'http://169.254.43518/',
  ])('a metadata service however it is written: %s', address =>
    expect(refuseLiteral(new URL(address), inside)).toContain('metadata'),
  )
  test('names are not judged before they are resolved', () => {
    expect(refuseLiteral(new URL('http://localhost/'), outside)).toBeUndefined()
  })
})

/** As a socket asks: one address, or all of them. */
function lookUp(lookup: LookupFunction, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    lookup('host.test', { all }, (error, address, family) => {
      if (error) reject(error)
      else resolve(all ? address : { address, family })
    })
  })
}

describe('names', () => {
  const found =
    (...addresses: string[]): Resolve =>
    async () =>
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  test('give the addresses that were checked', async () => {
    const lookup = guardedLookup(found('8.8.8.8', '2606:4700::1111'), outside)
    expect(await lookUp(lookup, false)).toEqual({ address: '8.8.8.8', family: 4 })
    expect(await lookUp(lookup, true)).toHaveLength(2)
  })
  test.each([[['127.0.0.1']], [['8.8.8.8', '10.0.0.1']]])('are refused when one address is: %j', async addresses => {
    await expect(lookUp(guardedLookup(found(...addresses), outside), true)).rejects.toMatchObject({ code: 'EADDRESS' })
    await lookUp(guardedLookup(found(...addresses), inside), true)
  })
  test('without an address', async () => {
    await expect(lookUp(guardedLookup(found(), outside), true)).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })
})
