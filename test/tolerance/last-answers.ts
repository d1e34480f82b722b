// Further providers from N on, each with something that the others do not do. By their documentation and public
// reports; the tokens are made up. RFC 6749 sections 5.1 and 5.2.
import { type Case, junk, refused, renewal, tokens } from './outcome.ts'

export const lastAnswers: readonly Case[] = [
  [
    'Netatmo',
    '{"scope":["read_station"],"access_token":"57|3c","refresh_token":"57|bf","expires_in":10800,"expire_in":10800}',
    tokens('57|3c', { refresh: '57|bf', in: 10_800, scopes: ['read_station'] }),
  ],
  [
    'Netatmo, an error',
    '{"error":{"code":2,"message":"Invalid access token"}}',
    refused(403, '2', 'Invalid access token', 'ours'),
  ],
  [
    'Patreon',
    '{"access_token":"a","refresh_token":"r","expires_in":"2678400","scope":"identity campaigns","token_type":"Bearer","version":"0.0.1"}',
    tokens('a', { refresh: 'r', in: 2_678_400, scopes: ['identity', 'campaigns'] }),
  ],
  [
    'Personio',
    '{"success":true,"data":{"token":"papi-1","expires_in":86400,"scope":""}}',
    tokens('papi-1', { in: 86_400 }),
  ],
  [
    'Pinduoduo',
    '{"pop_auth_token_create_response":{"access_token":"a","expires_at":1772370000,"expires_in":3600,"owner_id":"1","refresh_token":"r","scope":["pdd.order.list.get"]}}',
    tokens('a', { refresh: 'r', in: 3600, scopes: ['pdd.order.list.get'] }),
  ],
  [
    'Pinduoduo, an error',
    '{"error_response":{"error_msg":"refresh_token is expired","sub_msg":"x","sub_code":"40003","error_code":10035,"request_id":"1"}}',
    refused(200, '10035', 'refresh_token is expired', 'dead'),
    renewal,
  ],
  [
    'Pocket, a form',
    'access_token=5678defg-5678-defg-5678-defg56&username=ada',
    tokens('5678defg-5678-defg-5678-defg56'),
  ],
  [
    'Pocket, an error in headers',
    '403 Forbidden',
    refused(403, '158', 'User rejected code.', 'ours'),
    { headers: { 'content-type': 'text/html', 'x-error-code': '158', 'x-error': 'User rejected code.' } },
  ],
  [
    'Questrade',
    '{"access_token":"a","token_type":"Bearer","expires_in":1800,"refresh_token":"r","api_server":"https://api01.iq.questrade.com/"}',
    tokens('a', { refresh: 'r', in: 1800, raw: { api_server: 'https://api01.iq.questrade.com/' } }),
  ],
  [
    'Questrade, an error',
    'Bad Request',
    refused(400, 'error', 'Bad Request', 'ours'),
    { ...renewal, headers: { 'content-type': 'text/plain' } },
  ],
  [
    'Razorpay, an error',
    '{"error":{"code":"BAD_REQUEST_ERROR","description":"The refresh token is invalid.","field":null,"source":"NA"}}',
    refused(400, 'BAD_REQUEST_ERROR', 'The refresh token is invalid.', 'dead'),
    renewal,
  ],
  [
    'RD Station, an error',
    '{"errors":{"error_type":"EXPIRED_CODE_GRANT","error_message":"The authorization code grant has expired."}}',
    refused(401, 'EXPIRED_CODE_GRANT', 'The authorization code grant has expired.', 'dead'),
  ],
  [
    'RingCentral, an error',
    '{"error":"invalid_grant","error_description":"Token not found","errors":[{"errorCode":"OAU-211","message":"Token not found"}]}',
    refused(400, 'invalid_grant', 'Token not found', 'dead'),
    renewal,
  ],
  ['Robinhood, a second factor', '{"mfa_required":true,"mfa_type":"sms"}', junk(200)],
  [
    'Robinhood, an error',
    '{"detail":"Unable to log in with provided credentials."}',
    refused(400, 'error', 'Unable to log in with provided credentials.', 'ours'),
  ],
  [
    'Sage, an error',
    '[{"$severity":"error","$dataCode":"AuthorizationFailure","$message":"Authorization failed","$source":""}]',
    refused(401, 'error', 'Authorization failed', 'ours'),
  ],
  [
    'Sentry',
    '{"id":"38","token":"ec48","refreshToken":"c866","dateCreated":"2026-03-01T12:00:00.506Z","expiresAt":"2026-03-01T20:00:00.000Z","state":null,"application":null}',
    tokens('ec48', { refresh: 'c866', in: 28_800 }),
  ],
  [
    'Shopee',
    '{"refresh_token":"r","access_token":"a","expire_in":14400,"request_id":"1","error":"","message":""}',
    tokens('a', { refresh: 'r', in: 14_400 }),
  ],
  [
    'Shopee, an error',
    '{"error":"error_auth","message":"Invalid refresh_token.","request_id":"1"}',
    refused(403, 'error_auth', 'Invalid refresh_token.', 'dead'),
    renewal,
  ],
  [
    'Snowflake, an error',
    '{"data":null,"error":"invalid_client","message":"This is an invalid client.","code":null,"success":false,"headers":null}',
    refused(400, 'invalid_client', 'This is an invalid client.', 'ours'),
    renewal,
  ],
  [
    'Supabase',
    '{"access_token":"eyJ.a","token_type":"bearer","expires_in":3600,"expires_at":1772370000,"refresh_token":"r","user":{"id":"u","app_metadata":{}}}',
    tokens('eyJ.a', { refresh: 'r', in: 3600 }),
  ],
  [
    'Supabase, an error',
    '{"code":400,"error_code":"refresh_token_not_found","msg":"Invalid Refresh Token: Refresh Token Not Found"}',
    refused(400, 'refresh_token_not_found', 'Invalid Refresh Token: Refresh Token Not Found', 'dead'),
    renewal,
  ],
  [
    'SurveyMonkey',
    '{"access_token":"a","token_type":"bearer","access_url":"https://api.surveymonkey.com","expires_in":null}',
    tokens('a'),
  ],
  [
    'Tesla, an error',
    '{"error":"login_required","error_description":"The refresh_token is invalid. Generate a new one with code exchange.","referenceID":"1"}',
    refused(
      401,
      'login_required',
      'The refresh_token is invalid. Generate a new one with code exchange.',
      'dead',
    ),
    renewal,
  ],
  [
    'TikTok for Business',
    '{"code":0,"message":"OK","request_id":"2","data":{"access_token":"a","advertiser_ids":["1","2"],"scope":[4,5]}}',
    tokens('a', { scopes: ['4', '5'] }),
  ],
  [
    'TikTok for Business, an error',
    '{"code":40105,"message":"Access token is incorrect or has been revoked.","request_id":"2","data":{}}',
    refused(200, '40105', 'Access token is incorrect or has been revoked.', 'ours'),
  ],
  [
    'Toast',
    '{"@class":".SuccessfulResponse","token":{"tokenType":"Bearer","scope":null,"expiresIn":86400,"accessToken":"a","idToken":null,"refreshToken":null},"status":"SUCCESS"}',
    tokens('a', { in: 86_400 }),
  ],
  [
    'Tuya',
    '{"result":{"access_token":"a","expire_time":7200,"refresh_token":"r","uid":"u"},"success":true,"t":1772366400000}',
    tokens('a', { refresh: 'r', in: 7200 }),
  ],
  [
    'Tuya, an error',
    '{"code":1010,"msg":"token invalid","success":false,"t":1772366400000}',
    refused(200, '1010', 'token invalid', 'ours'),
  ],
  [
    'UPS',
    '{"refresh_token_expires_in":"5183999","refresh_token_status":"approved","token_type":"Bearer","issued_at":"1772366400000","client_id":"c","access_token":"a","refresh_token":"r","scope":"","refresh_count":"0","expires_in":"14399","status":"approved"}',
    tokens('a', { refresh: 'r', in: 14_399 }),
  ],
  [
    'UPS, an error',
    '{"response":{"errors":[{"code":"10401","message":"ClientId is Invalid"}]}}',
    refused(401, '10401', 'ClientId is Invalid', 'ours'),
  ],
  [
    'Walmart, XML',
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><OAuthTokenDTO><accessToken>eyJ.a</accessToken><tokenType>Bearer</tokenType><expiresIn>900</expiresIn></OAuthTokenDTO>',
    tokens('eyJ.a', { in: 900 }),
  ],
  [
    'Yodlee',
    '{"token":{"accessToken":"a","issuedAt":"2026-03-01T12:00:00Z","expiresIn":1799}}',
    tokens('a', { in: 1799 }),
  ],
  [
    'Youzan',
    '{"success":true,"code":200,"data":{"access_token":"a","expires":1772370000000,"scope":"multi_store shop","authority_id":"1","refresh_token":"r"},"message":null}',
    tokens('a', { refresh: 'r', in: 3600, scopes: ['multi_store', 'shop'] }),
  ],
  [
    'Youzan, an error',
    '{"success":false,"code":21003,"message":"refresh_token is invalid","data":null}',
    refused(200, '21003', 'refresh_token is invalid', 'dead'),
    renewal,
  ],
  [
    'Zalo, an error',
    '{"error_name":"Invalid refresh token","error_reason":"The refresh token is invalid.","ref_doc":"https://x.example","error_description":"Invalid refresh token.","error":-14014}',
    refused(200, '-14014', 'Invalid refresh token.', 'dead'),
    renewal,
  ],
  [
    'Zenoti',
    '{"credentials":{"access_token":"a","access_token_expiry":"2026-03-01T13:00:00Z","refresh_token":"r"},"error":null}',
    tokens('a', { refresh: 'r', in: 3600 }),
  ],
  [
    'Zerodha',
    '{"status":"success","data":{"user_id":"AB1","access_token":"a","refresh_token":"","login_time":"2026-03-01 12:00:00"}}',
    tokens('a'),
  ],
  [
    'Zerodha, an error',
    '{"status":"error","message":"Token is invalid or has expired.","data":null,"error_type":"TokenException"}',
    refused(403, 'TokenException', 'Token is invalid or has expired.', 'ours'),
  ],
  [
    'a date as JavaScript prints it',
    '{"access_token":"a","expires_at":"Sun Mar 01 2026 18:30:00 GMT+0530 (India Standard Time)"}',
    tokens('a', { in: 3600 }),
  ],
  [
    'expiry_time with an offset (ShipEngine)',
    '{"message":"","code":0,"data":{"access_token":"a","scopes":["foo","bar"],"expiry_time":"2026-03-01T13:00:00.000+00:00","refresh_token":"r"}}',
    tokens('a', { refresh: 'r', in: 3600, scopes: ['foo', 'bar'] }),
  ],
  ['seconds with rubbish behind them are none', '{"access_token":"a","expires_in":"3600abc"}', tokens('a')],
  [
    'Matrix, an error',
    '{"errcode":"M_UNKNOWN_TOKEN","error":"Unrecognised access token","soft_logout":true}',
    refused(401, 'M_UNKNOWN_TOKEN', 'Unrecognised access token', 'ours'),
  ],
  [
    'MongoDB Atlas, an error',
    '{"detail":"You may not do this.","error":401,"errorCode":"NOT_ATLAS_GROUP","parameters":[],"reason":"Unauthorized"}',
    refused(401, 'NOT_ATLAS_GROUP', 'You may not do this.', 'ours'),
  ],
  [
    'Apigee, an error in words with its code beside it',
    '{"ErrorCode":"invalid_request","Error":"Refresh Token expired"}',
    refused(400, 'invalid_request', 'Refresh Token expired', 'dead'),
    renewal,
  ],
  [
    'OData 2 (SAP), an error',
    '{"error":{"code":"005056A5","message":{"lang":"en","value":"Invalid client"}}}',
    refused(401, '005056A5', 'Invalid client', 'ours'),
  ],
  [
    'Roblox, an error with the code 0',
    '{"errors":[{"code":0,"message":"Too many requests"}]}',
    refused(429, 'error', 'Too many requests', 'later'),
  ],
  ['errors of code 0 beside a token are none', '{"access_token":"a","errors":[{"code":0}]}', tokens('a')],
  [
    'AWS, an exception without a message',
    '{"__type":"com.amazonaws.sso.oidc#InvalidGrantException","message":null}',
    refused(400, 'com.amazonaws.sso.oidc#InvalidGrantException', undefined, 'dead'),
    renewal,
  ],
  [
    'AWS, too fast with 400',
    '{"__type":"TooManyRequestsException","message":"Rate exceeded"}',
    refused(400, 'TooManyRequestsException', 'Rate exceeded', 'later'),
  ],
  [
    'the sentence of RFC 6749 5.2 in the place of the code',
    '{"error":"The provided authorization grant is invalid, expired, revoked"}',
    refused(401, 'The provided authorization grant is invalid, expired, revoked', undefined, 'dead'),
    renewal,
  ],
  [
    'scopes as the text of a list',
    { access_token: 'a', scope: '["a","b"]' },
    tokens('a', { scopes: ['a', 'b'] }),
  ],
  [
    'scopes as the text of a list of words',
    { access_token: 'a', scope: '[a, b]' },
    tokens('a', { scopes: ['a', 'b'] }),
  ],
  ['scopes as the text of an empty list', { access_token: 'a', scope: '[]' }, tokens('a')],
  ['scopes in quotation marks', { access_token: 'a', scope: '"a b"' }, tokens('a', { scopes: ['a', 'b'] })],
  ['exp, as in a JWT', { access_token: 'a', exp: 1772370000 }, tokens('a', { in: 3600 })],
  [
    'a blank refresh token',
    { access_token: 'a', refresh_token: '  ' },
    tokens('a', { refresh: 'r0' }),
    renewal,
  ],
  [
    'a client id in a sentence about a refresh token',
    '{"error":"invalid_request","error_description":"Refresh token request has an invalid client_id"}',
    refused(400, 'invalid_request', 'Refresh token request has an invalid client_id', 'ours'),
    renewal,
  ],
  [
    'client credentials in one',
    '{"error":"invalid_request","error_description":"Invalid client credentials in refresh token request"}',
    refused(400, 'invalid_request', 'Invalid client credentials in refresh token request', 'ours'),
    renewal,
  ],
  [
    'a scope in one',
    '{"error":"invalid_request","error_description":"The requested scope is invalid for this refresh token"}',
    refused(400, 'invalid_request', 'The requested scope is invalid for this refresh token', 'ours'),
    renewal,
  ],
  [
    'a grant type in one',
    '{"error":"invalid_request","error_description":"invalid grant_type: refresh_token"}',
    refused(400, 'invalid_request', 'invalid grant_type: refresh_token', 'ours'),
    renewal,
  ],
  [
    'a parameter that is not known',
    '{"error":"invalid_request","error_description":"Unknown parameter: refresh_token"}',
    refused(400, 'invalid_request', 'Unknown parameter: refresh_token', 'ours'),
    renewal,
  ],
  [
    'a refresh token that did not arrive',
    '{"error":"invalid_request","error_description":"Malformed request: refresh token not provided"}',
    refused(400, 'invalid_request', 'Malformed request: refresh token not provided', 'ours'),
    renewal,
  ],
  [
    'a redirect URI in a sentence about a code',
    '{"error":"redirect_uri_mismatch","error_description":"Invalid redirect_uri for this code"}',
    refused(400, 'redirect_uri_mismatch', 'Invalid redirect_uri for this code', 'ours'),
  ],
  [
    'a code verifier',
    '{"error":"invalid_request","error_description":"code_verifier is invalid"}',
    refused(400, 'invalid_request', 'code_verifier is invalid', 'ours'),
  ],
  [
    'a code that is not the one meant',
    '{"error":"invalid_request","error_description":"Unknown country code"}',
    refused(400, 'invalid_request', 'Unknown country code', 'ours'),
  ],
  [
    'a status that says no beside a token',
    '{"access_token":"a","status":{"code":403,"message":"no"}}',
    refused(200, '403', 'no', 'ours'),
  ],
  ['a status that says yes', '{"access_token":"a","status":{"code":200,"message":"OK"}}', tokens('a')],
  [
    'Matrix, milliseconds to wait',
    '{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":1500}',
    refused(429, 'M_LIMIT_EXCEEDED', 'Too many requests', 'later', 2),
  ],
]
