// Which hosts are this machine, a private network, or the internet.
import { describe, expect, it } from 'vitest'
import { hostKind, isPrivateName } from './host.ts'

const host = (text: string) => new URL(`https://${text}/`).hostname

describe('hostKind', () => {
  it.each([
    ['localhost', 'loopback'],
    ['LOCALHOST.', 'loopback'],
    ['app.localhost', 'loopback'],
    ['127.0.0.1', 'loopback'],
    ['127.8.9.10', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['2130706433', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['0.0.0.0', 'private'],
    ['10.1.2.3', 'private'],
    ['100.64.0.1', 'private'],
    ['169.254.169.254', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['198.18.0.1', 'private'],
    ['224.0.0.1', 'private'],
    ['255.255.255.255', 'private'],
    ['[::]', 'private'],
    ['[fe80::1]', 'private'],
    ['[fc00::1]', 'private'],
    ['[fdff:1:2:3:4:5:6:7]', 'private'],
    ['[ff02::1]', 'private'],
    ['[::ffff:10.0.0.1]', 'private'],
    ['[::10.0.0.1]', 'private'],
    ['[64:ff9b::10.0.0.1]', 'private'],
    ['[::ffff:0:169.254.169.254]', 'private'],
    ['[2002:a9fe:a9fe::1]', 'private'],
    ['[2001:0:a00:1::1]', 'private'],
    ['[2001:db8::1]', 'private'],
    ['[3fff::1]', 'private'],
    ['[100::1]', 'private'],
    ['[64:ff9b:1::8.8.8.8]', 'private'],
    ['[fec0::1]', 'private'],
    ['[2001:4860:4860::8888]', 'public'],
    ['[2002:808:808::1]', 'public'],
    ['8.8.8.8', 'public'],
    ['172.32.0.1', 'public'],
    ['100.128.0.1', 'public'],
    ['[2606:4700::1111]', 'public'],
    ['[::ffff:8.8.8.8]', 'public'],
    ['[64:ff9b::8.8.8.8]', 'public'],
    ['example.com', 'public'],
    ['localhost.example.com', 'public'],
    ['10.0.0.1.example.com', 'public'],
  ] as const)('%s is %s', (text, kind) => {
    expect(hostKind(host(text))).toBe(kind)
  })

  it('knows the names that only private networks use', () => {
    for (const name of ['metadata.google.internal', 'printer.local', 'router.home.arpa.', 'intranet'])
      expect(isPrivateName(name)).toBe(true)
    for (const name of ['internal.example.com', 'example.com', '[2606:4700::1111]'])
      expect(isPrivateName(name)).toBe(false)
  })
})
