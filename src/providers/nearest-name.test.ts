// Suggestions for misspelt names.
import { expect, it } from 'vitest'
import { nearestNames } from './nearest-name.ts'

const names = ['slack', 'spotify', 'github', 'gitlab', 'google', 'google-mail', 'x', 'zoom']

it.each([
  ['slak', ['slack']],
  ['SLACK', ['slack']],
  ['gihtub', ['github']],
  ['gitlub', ['github', 'gitlab']],
  ['google', ['google', 'google-mail']],
  ['zom', ['zoom']],
  ['completely-else', []],
  ['', ['x']],
])('%j: %j', (wanted, expected) => {
  expect(nearestNames(wanted, names)).toEqual(expected)
})
