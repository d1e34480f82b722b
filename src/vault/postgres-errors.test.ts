// What PostgreSQL, `pg` and the network say, and what a vault makes of it.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { StoreError } from '../errors.ts'
import { failureOf, isLostStatement, isRefusal, storeError } from './postgres-errors.ts'

const database = (code: string, message = 'as the server says') =>
  Object.assign(new Error(message), { code, severity: 'ERROR' })
const system = (code: string) => Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })

describe('an error of the database', () => {
  it.each([
    [system('ECONNREFUSED'), 'store_unavailable', 'start the server'],
    [system('ENOTFOUND'), 'store_unavailable', 'no such host'],
    [system('ECONNRESET'), 'store_unavailable', 'can be reached'],
    [system('EACCES'), 'store_permission', 'socket'],
    [new AggregateError([system('ECONNREFUSED')]), 'store_unavailable', 'ECONNREFUSED'],
    [database('28P01'), 'store_permission', 'password'],
    [database('28000'), 'store_permission', 'pg_hba.conf'],
    [database('3D000'), 'store_unavailable', 'Create that database'],
    [database('25006'), 'store_read_only', 'primary'],
    [database('42501'), 'store_permission', 'Roles and rights'],
    [database('42P01'), 'store_corrupt', 'schema'],
    [database('53100'), 'store_full', 'disk space'],
    [database('53200'), 'store_unavailable', 'can be reached'],
    [database('53300'), 'store_busy', 'max_connections'],
    [database('54000'), 'store_busy', 'notifications'],
    [database('55P03'), 'store_busy', 'locks'],
    [database('57014'), 'store_busy', 'locks'],
    [database('57P01'), 'store_unavailable', 'try again'],
    [database('57P03'), 'store_unavailable', 'try again'],
    [database('40P01'), 'store_busy', 'locks'],
    [database('XX001'), 'store_corrupt', 'backup'],
    [database('XX000'), 'store_unavailable', 'can be reached'],
    [database('08P01', 'no more connections allowed (max_client_conn)'), 'store_busy', 'lower "pool"'],
    [database('08P01', 'SASL authentication failed'), 'store_permission', 'password'],
    [database('08P01', 'no such database: app'), 'store_unavailable', 'Create that database'],
    [database('08P01', 'server conn crashed?'), 'store_unavailable', 'can be reached'],
    [new Error('timeout exceeded when trying to connect'), 'store_busy', '"pool"'],
    [new Error('Connection terminated unexpectedly'), 'store_unavailable', 'can be reached'],
    [new Error('The server does not support SSL connections'), 'store_unavailable', 'sslmode'],
    [new Error('self-signed certificate'), 'store_unavailable', 'sslrootcert'],
    [
      new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
      'store_permission',
      'PGPASSWORD',
    ],
  ])('%s is %s, with the next step', (error, code, step) => {
    const told = storeError(error, 'postgres://db:5432/app')
    expect(told).toBeInstanceOf(StoreError)
    expect(told).toMatchObject({ code })
    expect(told.message).toContain('postgres://db:5432/app')
    expect(told.message).toContain(step)
  })

  it('keeps the password, the client and its settings from message, cause and inspect', () => {
    const error = Object.assign(new Error('cannot use "canary-1" or canary%2F2'), {
      client: { password: 'canary-1', connectionParameters: { password: 'canary-1' } },
    })
    for (const password of ['canary-1', 'canary/2']) {
      const shown = inspect(storeError(error, 'postgres://db/app', password), { depth: 9, showHidden: true })
      expect(shown).not.toContain(password)
      expect(shown).not.toContain(encodeURIComponent(password))
    }
  })

  it('is a mistake of the caller when an address is too long for an index', () => {
    const tooLong = Object.assign(database('54000'), { routine: '_bt_check_third_page' })
    expect(storeError(tooLong, 'postgres://db/app')).toMatchObject({
      ...{ name: 'TypeError', code: 'invalid_argument' },
    })
  })

  it.each(['22021', '22P02', '22003', '2201W'])('%s is a value that cannot be kept', (code) => {
    const told = storeError(database(code), 'postgres://db/app')
    expect(told).toMatchObject({ name: 'TypeError', code: 'invalid_argument' })
    expect(told.message).toContain(`cannot keep a value that it was given (${code}`)
    expect(told.message).not.toContain('Check that the server runs')
  })

  it('passes on what it is already', () => {
    const closed = new StoreError('closed', 'closed')
    expect(storeError(closed, 'postgres://db/app')).toBe(closed)
  })
})

describe('a statement', () => {
  it.each([
    [{ code: '26000' }, true],
    [{ code: '42P05' }, true],
    [{ code: '08P01', routine: 'exec_bind_message' }, true],
    [{ code: '08P01' }, false], // a pooler's word for anything, also for a server that went away in the middle
    [{ code: '0A000', routine: 'RevalidateCachedQuery' }, true],
    [{ code: '0A000' }, false],
    [{ code: '57P01' }, false],
  ])('that ended with %j was not executed for want of itself: %s', (failure, expected) => {
    expect(isLostStatement({ message: '', ...failure })).toBe(expected)
  })

  it.each([
    [database('23505'), true],
    [database('57014'), true],
    [database('57P01'), false],
    [database('08P01'), false],
    [system('EPIPE'), false],
    [new Error('Query read timeout'), false],
  ])('%s: the server answered, and the connection is good: %s', (error, expected) => {
    expect(isRefusal(failureOf(error))).toBe(expected)
  })
})
