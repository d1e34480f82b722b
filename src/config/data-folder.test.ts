import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { dataFolder } from './data-folder.ts'

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
})
