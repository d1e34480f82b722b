// How providers say no to a token request, by their documentation and public reports.
// RFC 6749 section 5.2 with everything that is different about it.
import { type Case, refused, renewal } from './outcome.ts'

export const refusals: readonly Case[] = [
  [
    'ADFS',
    '{"error":"invalid_grant","error_description":"MSIS9615: The refresh token received in \'refresh_token\' parameter has expired."}',
    refused(
      400,
      'invalid_grant',
      "MSIS9615: The refresh token received in 'refresh_token' parameter has expired.",
      'dead',
    ),
    renewal,
  ],
  [
    'Airtable',
    '{"error":{"type":"AUTHENTICATION_REQUIRED","message":"Authentication required"}}',
    refused(401, 'AUTHENTICATION_REQUIRED', 'Authentication required', 'ours'),
  ],
  [
    'Alibaba Cloud, XML',
    "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>8B96</RequestId><HostId>x.example</HostId><Code>InvalidAccessKeyId.NotFound</Code><Message>Specified access key is not found.</Message></Error>",
    refused(404, 'InvalidAccessKeyId.NotFound', 'Specified access key is not found.', 'ours'),
    { headers: { 'content-type': 'text/xml' } },
  ],
  [
    'Amazon',
    '{"error_description":"The request has an invalid grant parameter : refresh_token","error":"invalid_grant"}',
    refused(400, 'invalid_grant', 'The request has an invalid grant parameter : refresh_token', 'dead'),
    renewal,
  ],
  [
    'Apigee',
    '{"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"keymanagement.service.invalid_access_token"}}}',
    refused(401, 'keymanagement.service.invalid_access_token', 'Invalid access token', 'ours'),
  ],
  [
    'Asana',
    '{"errors":[{"message":"Not Authorized","help":"For more information"}]}',
    refused(401, 'error', 'Not Authorized', 'ours'),
  ],
  [
    'Atlassian',
    '{"error":"unauthorized_client","error_description":"refresh_token is invalid"}',
    refused(403, 'unauthorized_client', 'refresh_token is invalid', 'ours'),
    { ...renewal, note: 'the code says that it is about us; nothing is given up on a maybe' },
  ],
  [
    'Auth0',
    '{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}',
    refused(403, 'invalid_grant', 'Unknown or invalid refresh token.', 'dead'),
    renewal,
  ],
  [
    'Auth0, too fast',
    '{"error":"too_many_requests","error_description":"Global limit has been reached"}',
    refused(429, 'too_many_requests', 'Global limit has been reached', 'later'),
  ],
  ['AWS API Gateway', '{"message":"Forbidden"}', refused(403, 'error', 'Forbidden', 'ours')],
  [
    'AWS',
    '{"__type":"NotAuthorizedException","message":"Refresh Token has been revoked"}',
    refused(400, 'NotAuthorizedException', 'Refresh Token has been revoked', 'dead'),
    renewal,
  ],
  [
    'AWS, XML',
    '<ErrorResponse xmlns="https://x.example/doc/"><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error><RequestId>1</RequestId></ErrorResponse>',
    refused(400, 'ExpiredToken', 'The token has expired.', 'dead'),
    renewal,
  ],
  [
    'Basecamp',
    '{"error":"authorization has expired or been revoked"}',
    refused(400, 'authorization has expired or been revoked', undefined, 'dead'),
    { note: 'the code as it came' },
  ],
  [
    'Bitbucket',
    '{"error_description":"The specified code is not valid.","error":"invalid_grant"}',
    refused(400, 'invalid_grant', 'The specified code is not valid.', 'dead'),
  ],
  [
    'Bitly',
    '{"status_code":500,"data":null,"status_txt":"INVALID_CODE"}',
    refused(200, 'INVALID_CODE', undefined, 'dead'),
  ],
  [
    'Box',
    '{"error":"invalid_grant","error_description":"Refresh token has expired"}',
    refused(400, 'invalid_grant', 'Refresh token has expired', 'dead'),
    renewal,
  ],
  [
    'Brex',
    '{"message":"Invalid client credentials","code":"invalid_client"}',
    refused(401, 'invalid_client', 'Invalid client credentials', 'ours'),
  ],
  [
    'ClickUp',
    '{"err":"Code already used","ECODE":"OAUTH_014"}',
    refused(400, 'OAUTH_014', 'Code already used', 'dead'),
  ],
  ['Clover', '{"message":"401 Unauthorized"}', refused(401, 'error', '401 Unauthorized', 'ours')],
  [
    'Coinbase',
    '{"errors":[{"id":"invalid_grant","message":"The provided authorization grant is invalid"}]}',
    refused(400, 'invalid_grant', 'The provided authorization grant is invalid', 'dead'),
  ],
  [
    'Deezer, plain words',
    'wrong code',
    refused(200, 'error', 'wrong code', 'dead'),
    {
      headers: { 'content-type': 'text/html; charset=utf-8' },
      note: 'a line that says no is a refusal; it has no code',
    },
  ],
  [
    'Deezer, an error object',
    '{"error":{"type":"OAuthException","message":"Invalid OAuth access token.","code":300}}',
    refused(200, 'OAuthException', 'Invalid OAuth access token.', 'ours'),
  ],
  [
    'Discord',
    '{"error":"invalid_grant","error_description":"Invalid \\"code\\" in request."}',
    refused(400, 'invalid_grant', 'Invalid "code" in request.', 'dead'),
  ],
  [
    'Discord, too fast, wait in the body',
    '{"message":"You are being rate limited.","retry_after":64.57,"global":false}',
    refused(429, 'error', 'You are being rate limited.', 'later', 65),
  ],
  [
    'DocuSign',
    '{"error":"invalid_grant","error_description":"unauthorized_client"}',
    refused(400, 'invalid_grant', 'unauthorized_client', 'dead'),
    renewal,
  ],
  [
    'Dropbox',
    '{"error":"invalid_grant","error_description":"refresh token is invalid or revoked"}',
    refused(400, 'invalid_grant', 'refresh token is invalid or revoked', 'dead'),
    renewal,
  ],
  [
    'Dropbox, plain text',
    'Error in call to API function "auth/token/revoke": Bad HTTP "Content-Type" header',
    { kind: 'junk', status: 400, code: 'response_not_oauth' },
  ],
  [
    'Dropbox, too fast',
    '{"error":{"reason":{".tag":"too_many_requests"},"retry_after":30},"error_summary":"too_many_requests/."}',
    refused(429, 'error', 'too_many_requests/.', 'later', 30),
    { headers: { 'retry-after': '30' } },
  ],
  [
    'eBay',
    '{"errors":[{"errorId":1001,"domain":"OAuth","category":"REQUEST","message":"Invalid access token"}]}',
    refused(401, '1001', 'Invalid access token', 'ours'),
  ],
  [
    'Facebook',
    '{"error":{"message":"This authorization code has been used.","type":"OAuthException","code":100,"error_subcode":36009,"fbtrace_id":"A"}}',
    refused(400, 'OAuthException', 'This authorization code has been used.', 'dead'),
  ],
  [
    'Facebook, a passing trouble',
    '{"error":{"message":"An unexpected error has occurred. Please retry your request later.","type":"OAuthException","is_transient":true,"code":2}}',
    refused(
      500,
      'OAuthException',
      'An unexpected error has occurred. Please retry your request later.',
      'later',
    ),
  ],
  [
    'Facebook, a passing trouble with 400',
    '{"error":{"message":"Service temporarily unavailable","type":"OAuthException","is_transient":true,"code":2}}',
    refused(400, 'OAuthException', 'Service temporarily unavailable', 'later'),
  ],
  [
    'Figma',
    '{"error":true,"status":400,"message":"Invalid code","i18n":null}',
    refused(400, '400', 'Invalid code', 'dead'),
  ],
  [
    'R18 Fitbit',
    '{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: x. Visit https://dev.fitbit.com/docs/oauth2 for more information."}],"success":false}',
    refused(
      400,
      'invalid_grant',
      'Refresh token invalid: x. Visit https://dev.fitbit.com/docs/oauth2 for more information.',
      'dead',
    ),
    renewal,
  ],
  [
    'R18 Fitbit, an access token that ended',
    '{"errors":[{"errorType":"expired_token","message":"Access token expired"}],"success":false}',
    refused(401, 'expired_token', 'Access token expired', 'dead'),
  ],
  [
    'Foursquare',
    '{"meta":{"code":400,"errorType":"invalid_auth","errorDetail":"Missing access credentials.","requestId":"1"},"response":{}}',
    refused(400, 'invalid_auth', 'Missing access credentials.', 'ours'),
  ],
  [
    'FreshBooks',
    '{"response":{"errors":[{"errno":1003,"message":"The server could not verify that you are authorized."}]}}',
    refused(401, '1003', 'The server could not verify that you are authorized.', 'ours'),
  ],
  [
    'P33 GitHub, with 200',
    '{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired.","error_uri":"https://docs.github.com/x"}',
    refused(200, 'bad_verification_code', 'The code passed is incorrect or expired.', 'dead'),
  ],
  [
    'P33 GitHub, as a form',
    'error=incorrect_client_credentials&error_description=The+client_id+and%2For+client_secret+passed+are+incorrect.&error_uri=https%3A%2F%2Fx',
    refused(
      200,
      'incorrect_client_credentials',
      'The client_id and/or client_secret passed are incorrect.',
      'ours',
    ),
  ],
  [
    'GitHub App, a refresh token',
    '{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired.","error_uri":"https://docs.github.com/x"}',
    refused(200, 'bad_refresh_token', 'The refresh token passed is incorrect or expired.', 'dead'),
    renewal,
  ],
  [
    'GitLab',
    '{"error":"invalid_grant","error_description":"The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client."}',
    refused(
      400,
      'invalid_grant',
      'The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.',
      'dead',
    ),
    renewal,
  ],
  [
    'Google',
    '{\n  "error": "invalid_grant",\n  "error_description": "Token has been expired or revoked."\n}',
    refused(400, 'invalid_grant', 'Token has been expired or revoked.', 'dead'),
    renewal,
  ],
  [
    'Google, in trouble',
    '{\n  "error": "internal_failure",\n  "error_description": "Backend Error"\n}',
    refused(400, 'internal_failure', 'Backend Error', 'later'),
    renewal,
  ],
  [
    'Google, no permission',
    '{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}',
    refused(403, 'PERMISSION_DENIED', 'The caller does not have permission', 'ours'),
  ],
  [
    'Google, device',
    '{"error":"authorization_pending","error_description":"Precondition Required"}',
    refused(428, 'authorization_pending', 'Precondition Required', 'later'),
  ],
  [
    'Google, ClientLogin of old',
    'Error=BadAuthentication',
    refused(403, 'BadAuthentication', undefined, 'ours'),
    { headers: { 'content-type': 'text/plain' } },
  ],
  [
    'HubSpot',
    '{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token","correlationId":"1","requestId":"2"}',
    refused(400, 'BAD_REFRESH_TOKEN', 'missing or invalid refresh token', 'dead'),
    renewal,
  ],
  [
    'HubSpot, a code',
    '{"status":"BAD_AUTH_CODE","message":"missing or unknown auth code","correlationId":"1"}',
    refused(400, 'BAD_AUTH_CODE', 'missing or unknown auth code', 'dead'),
  ],
  [
    'HubSpot, too fast',
    '{"status":"error","message":"You have reached your ten_secondly_rolling limit.","errorType":"RATE_LIMIT","correlationId":"1","policyName":"TEN_SECONDLY_ROLLING"}',
    refused(429, 'RATE_LIMIT', 'You have reached your ten_secondly_rolling limit.', 'later'),
  ],
  [
    'Instagram',
    '{"error_type":"OAuthException","code":400,"error_message":"Matching code was not found or was already used"}',
    refused(400, 'OAuthException', 'Matching code was not found or was already used', 'dead'),
  ],
  [
    'Instagram Graph',
    '{"error":{"message":"Error validating access token: Session has expired on Saturday.","type":"OAuthException","code":190,"fbtrace_id":"A"}}',
    refused(400, 'OAuthException', 'Error validating access token: Session has expired on Saturday.', 'dead'),
    renewal,
  ],
  [
    'Intercom',
    '{"type":"error.list","request_id":"1","errors":[{"code":"server_error","message":"Server Error"}]}',
    refused(500, 'server_error', 'Server Error', 'later'),
  ],
  [
    'Keycloak',
    '{"error":"invalid_grant","error_description":"Token is not active"}',
    refused(400, 'invalid_grant', 'Token is not active', 'dead'),
    renewal,
  ],
  [
    'LinkedIn',
    '{"error":"invalid_request","error_description":"The provided authorization grant or refresh token is invalid, expired or revoked."}',
    refused(
      400,
      'invalid_request',
      'The provided authorization grant or refresh token is invalid, expired or revoked.',
      'dead',
    ),
    renewal,
  ],
  [
    'LinkedIn, of the API',
    '{"serviceErrorCode":65601,"message":"The token used in the request has been revoked by the user","status":401}',
    refused(401, '401', 'The token used in the request has been revoked by the user', 'ours'),
    { note: 'an access token; nothing is said of the grant' },
  ],
  [
    'Lyft',
    '{"error":"invalid_token","error_detail":{"x":["y"]},"error_description":"bad"}',
    refused(401, 'invalid_token', 'bad', 'ours'),
    renewal,
  ],
]
