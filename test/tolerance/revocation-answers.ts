// What providers answer to a revocation, and whether the token is dead by it.
// RFC 7009 sections 2.2 and 2.2.1.
import type { ProviderFacts } from '../../src/providers/index.ts'

/** An answer; `undefined`: revoked; else the error of the refusal, or the code of an answer that is none. */
export interface RevocationCase {
  name: string
  status: number
  body: string
  refused?: string
  junk?: true
  later?: true
  row?: Partial<ProviderFacts>
}

const done = (name: string, status: number, body: string): RevocationCase => ({ name, status, body })

export const revocationAnswers: readonly RevocationCase[] = [
  done('RFC 7009 2.2, empty', 200, ''),
  done('R16 204 (GitHub, Reddit)', 204, ''),
  done('an empty object (Discord)', 200, '{}'),
  done('null (Dropbox)', 200, 'null'),
  done('true (Facebook of old)', 200, 'true'),
  done('success true (Facebook)', 200, '{"success":true}'),
  done('ok true (Slack)', 200, '{"ok":true,"revoked":true}'),
  done('a page (Salesforce)', 200, '<html>fine</html>'),
  done('plain text', 200, 'OK'),
  done('a message with 200', 200, '{"message":"Token revoked","status":200}'),
  done('code 0', 200, '{"code":0,"msg":"success"}'),
  done('status 0 (Withings)', 200, '{"status":0,"body":{}}'),
  done('error null', 200, '{"error":null,"result":"revoked"}'),
  done('202', 202, '{"status":"accepted"}'),
  done(
    'RFC 7009 2.2, unknown already, in the words of Google',
    400,
    '{"error":"invalid_token","error_description":"Token expired or revoked"}',
  ),
  done('unknown already, in capitals', 400, '{"error":"INVALID_TOKEN"}'),
  {
    name: 'R16 RFC 7009 2.2.1',
    status: 400,
    body: '{"error":"unsupported_token_type"}',
    refused: 'unsupported_token_type',
  },
  { name: 'RFC 7009 2.2.1, 503', status: 503, body: '', junk: true, later: true },
  {
    name: 'RFC 7009 2.2.1, 503 with words',
    status: 503,
    body: '{"error":"temporarily_unavailable"}',
    refused: 'temporarily_unavailable',
    later: true,
  },
  { name: 'invalid_client', status: 401, body: '{"error":"invalid_client"}', refused: 'invalid_client' },
  {
    name: 'ok false with 200 (Slack)',
    status: 200,
    body: '{"ok":false,"error":"not_authed"}',
    refused: 'not_authed',
  },
  {
    name: 'a code with 200 (Feishu)',
    status: 200,
    body: '{"code":20014,"msg":"app access token is invalid"}',
    refused: '20014',
  },
  {
    name: 'a number with 200 (Withings)',
    status: 200,
    body: '{"status":601,"error":"Too many requests"}',
    refused: 'Too many requests',
    later: true,
  },
  { name: 'an error as a form', status: 400, body: 'error=invalid_request', refused: 'invalid_request' },
  { name: 'success false with 200', status: 200, body: '{"success":false,"message":"no"}', refused: 'error' },
  { name: 'a message with 403', status: 403, body: '{"message":"Forbidden"}', refused: 'error' },
  { name: '404 of another server', status: 404, body: '<html>Not Found</html>', junk: true, later: true },
  {
    name: 'a bearer that ended (Dropbox)',
    status: 401,
    body: '{"error_summary":"expired_access_token/..","error":{".tag":"expired_access_token"}}',
    refused: 'expired_access_token',
    row: { revocationFormat: 'bearer' },
  },
  { name: 'too fast', status: 429, body: 'Too Many Requests', refused: 'error', later: true },
]
