// Where a vault is: URLs and data folders.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { defaultLocation, parseLocation } from './location.ts'

describe('parseLocation', () => {
  it.each([
    ['memory:', { kind: 'memory' }],
    [':memory:', { kind: 'memory' }],
    ['sqlite:/data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['sqlite:///data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['SQLite:vault.db', { kind: 'sqlite', path: resolve('vault.db') }],
    ['/data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['./a folder/vault.db', { kind: 'sqlite', path: resolve('a folder/vault.db') }],
    ['~/vault.db', { kind: 'sqlite', path: join(homedir(), 'vault.db') }],
    ['sqlite:~/vault.db', { kind: 'sqlite', path: join(homedir(), 'vault.db') }],
    ['./~/vault.db', { kind: 'sqlite', path: resolve('~/vault.db') }],
    ['postgres://ada:secret@host/db', { kind: 'postgres', url: 'postgres://ada:secret@host/db' }],
    ['postgresql:///db', { kind: 'postgres', url: 'postgresql:///db' }],
  ])('understands %s', (url, expected) => {
    expect(parseLocation(url)).toEqual(expected)
  })

  it.each(['mysql://ada:canary@host/db', 'https://host/vault', 'sqlite:', '', 'sqlite:vault\0.db'])(
    'refuses %j and does not show a password',
    (url) => {
      try {
        parseLocation(url)
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigurationError)
        expect(error).toMatchObject({ code: 'config_invalid' })
        expect(String(error)).toContain('sqlite:<path>')
        expect(String(error)).toContain('memory:')
        expect(String(error)).not.toContain('canary')
        return
      }
      throw new Error('nothing was thrown')
    },
  )
})

it.each(['postgres:ada:canary@host/db', 'postgres//ada:canary@host/db', 'postgresql:/ada:canary@host/db'])(
  'takes %j for a PostgreSQL url with a slip, not for a file or a database of that name',
  (url) => {
    let thrown: unknown
    try {
      parseLocation(url)
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('://') })
    expect(String(thrown)).not.toContain('canary')
  },
)

describe('the default vault', () => {
  it('is in the data folder', () => {
    expect(defaultLocation({ TOOLGRANT_DATA: '/mine' })).toEqual({ kind: 'sqlite', path: '/mine/vault.db' })
  })
})
