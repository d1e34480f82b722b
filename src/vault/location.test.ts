// Where a vault is: URLs and data folders.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { dataFolder, defaultLocation, parseLocation } from './location.ts'

describe('parseLocation', () => {
  it.each([
    ['memory:', { kind: 'memory' }],
    [':memory:', { kind: 'memory' }],
    ['sqlite:/data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['sqlite:///data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['SQLite:vault.db', { kind: 'sqlite', path: resolve('vault.db') }],
    ['/data/vault.db', { kind: 'sqlite', path: '/data/vault.db' }],
    ['./a folder/vault.db', { kind: 'sqlite', path: resolve('a folder/vault.db') }],
  ])('understands %s', (url, expected) => {
    expect(parseLocation(url)).toEqual(expected)
  })

  it.each([
    'postgres://ada:canary@host/db',
    'postgresql:///db',
    'mysql://host',
    'https://host/vault',
    'sqlite:',
    '',
  ])('refuses %j and does not show a password', (url) => {
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
  })
})

describe('dataFolder', () => {
  it.each([
    ['linux', {}, join(homedir(), '.local/share/toolgrant')],
    ['linux', { XDG_DATA_HOME: '/xdg' }, '/xdg/toolgrant'],
    ['linux', { XDG_DATA_HOME: 'relative' }, join(homedir(), '.local/share/toolgrant')],
    ['darwin', { XDG_DATA_HOME: '/xdg' }, join(homedir(), 'Library/Application Support/toolgrant')],
    ['win32', { LOCALAPPDATA: '/local' }, join('/local', 'toolgrant')],
    ['linux', { TOOLGRANT_DATA: '/mine', XDG_DATA_HOME: '/xdg' }, '/mine'],
  ])('on %s with %j is %s', (platform, env, expected) => {
    expect(dataFolder(env, platform)).toBe(expected)
  })

  it('holds the default vault', () => {
    expect(defaultLocation({ TOOLGRANT_DATA: '/mine' })).toEqual({ kind: 'sqlite', path: '/mine/vault.db' })
  })
})
