// Further providers up to M, each with something that the others do not do. By their documentation and public reports; the
// tokens are made up. RFC 6749 sections 5.1 and 5.2.
import { type Case, refused, renewal, tokens } from './outcome.ts'

export const furtherAnswers: readonly Case[] = [
  [
    'Adobe IMS, milliseconds by the row',
    '{"token_type":"bearer","expires_in":86399997,"refresh_token":"r","access_token":"a"}',
    tokens('a', { refresh: 'r', in: 86_399.997 }),
    { row: { expiresInUnit: 'milliseconds' } },
  ],
  [
    'Amadeus',
    '{"type":"amadeusOAuth2Token","username":"u","application_name":"n","client_id":"c","token_type":"Bearer","access_token":"a","expires_in":1799,"state":"approved","scope":""}',
    tokens('a', { in: 1799 }),
  ],
  [
    'Angel One',
    '{"status":true,"message":"SUCCESS","errorcode":"","data":{"jwtToken":"eyJ.a","refreshToken":"r","feedToken":"f"}}',
    tokens('eyJ.a', { refresh: 'r' }),
  ],
  [
    'ArcGIS',
    '{"access_token":"a","expires_in":1800,"username":"ada","ssl":true,"refresh_token":"r","refresh_token_expires_in":1209600}',
    tokens('a', { refresh: 'r', in: 1800 }),
  ],
  ['ArcGIS, generateToken', '{"token":"a","expires":1772370000000,"ssl":true}', tokens('a', { in: 3600 })],
  [
    'ArcGIS, an error with 200',
    '{"error":{"code":498,"error":"invalid_request","error_description":"Invalid refresh_token","message":"Invalid refresh_token","details":[]}}',
    refused(200, 'invalid_request', 'Invalid refresh_token', 'dead'),
    renewal,
  ],
  [
    'AWS SSO',
    '{"accessToken":"a","expiresIn":28800,"idToken":null,"refreshToken":null,"tokenType":"Bearer"}',
    tokens('a', { in: 28_800 }),
  ],
  [
    'Bilibili',
    '{"code":0,"message":"0","ttl":1,"data":{"access_token":"a","expires_in":1772370000,"refresh_token":"r"}}',
    tokens('a', { refresh: 'r', in: 3600 }),
  ],
  [
    'Bitrix24',
    '{"access_token":"a","expires":1772370000,"expires_in":3600,"scope":"app","domain":"oauth.bitrix.info","status":"L","member_id":"m","user_id":1,"refresh_token":"r"}',
    tokens('a', { refresh: 'r', in: 3600, scopes: ['app'] }),
  ],
  [
    'Bluesky',
    '{"accessJwt":"eyJ.a","refreshJwt":"eyJ.r","handle":"ada.example","did":"did:plc:1","active":true}',
    tokens('eyJ.a', { refresh: 'eyJ.r' }),
  ],
  [
    'Cafe24, dates of Seoul without a zone',
    '{"access_token":"a","expires_at":"2026-03-01T23:00:00.000","refresh_token":"r","refresh_token_expires_at":"2026-03-15T21:00:00.000","client_id":"c","mall_id":"m","user_id":"u","scopes":["mall.read_order","mall.read_product"],"issued_at":"2026-03-01T21:00:00.000"}',
    tokens('a', { refresh: 'r', in: 7200, scopes: ['mall.read_order', 'mall.read_product'] }),
    { note: 'beside issued_at it is a lifetime, whatever the zone' },
  ],
  [
    'Canvas LMS',
    '{"access_token":"a","token_type":"Bearer","user":{"id":42,"name":"Ada"},"canvas_region":"us-east-1","refresh_token":"r","expires_in":3600}',
    tokens('a', { refresh: 'r', in: 3600 }),
  ],
  [
    'Concur of old, XML',
    '<Access_Token xmlns="http://x.example"><Instance_Url>https://www.concursolutions.com/</Instance_Url><Token>gVvVfa54z</Token><Expiration_date>3/1/2026 1:00:00 PM</Expiration_date><Refresh_Token>r</Refresh_Token></Access_Token>',
    tokens('gVvVfa54z', { refresh: 'r', in: 3600 }),
  ],
  [
    'DeviantArt',
    '{"expires_in":3600,"status":"success","access_token":"a","token_type":"Bearer","refresh_token":"r","scope":"basic"}',
    tokens('a', { refresh: 'r', in: 3600, scopes: ['basic'] }),
  ],
  [
    'Disqus',
    '{"username":"ada","user_id":1,"access_token":"a","expires_in":2592000,"token_type":"Bearer","state":null,"scope":"read,write","refresh_token":"r"}',
    tokens('a', { refresh: 'r', in: 2_592_000, scopes: ['read', 'write'] }),
  ],
  [
    'Docker registry',
    '{"token":"a","access_token":"a","expires_in":300,"issued_at":"2026-03-01T12:00:00Z"}',
    tokens('a', { in: 300 }),
  ],
  [
    'Egnyte, minus one is never',
    '{"access_token":"68zc95e3xv954u6k3hbnma3q","token_type":"bearer","expires_in":-1}',
    tokens('68zc95e3xv954u6k3hbnma3q'),
    { note: 'no lifetime can be negative, and nothing could renew it' },
  ],
  [
    'Epic Games, an error',
    '{"errorCode":"errors.com.epicgames.account.oauth.authorization_code_not_found","errorMessage":"Sorry the authorization code you supplied was not found.","messageVars":[],"numericErrorCode":18059,"originatingService":"x","intent":"prod","error_description":"Sorry the authorization code you supplied was not found.","error":"invalid_grant"}',
    refused(400, 'invalid_grant', 'Sorry the authorization code you supplied was not found.', 'dead'),
  ],
  [
    'eWeLink',
    '{"error":0,"msg":"","data":{"accessToken":"a","atExpiredTime":1772370000000,"refreshToken":"r","rtExpiredTime":1777550400000}}',
    tokens('a', { refresh: 'r', in: 3600 }),
  ],
  [
    'Firebase',
    '{"expires_in":"3600","token_type":"Bearer","refresh_token":"r","id_token":"eyJ.i","user_id":"u","project_id":"1","access_token":"eyJ.a"}',
    tokens('eyJ.a', { refresh: 'r', id: 'eyJ.i', in: 3600 }),
    renewal,
  ],
  [
    'Firebase, an error',
    '{"error":{"code":400,"message":"TOKEN_EXPIRED","status":"INVALID_ARGUMENT"}}',
    refused(400, 'INVALID_ARGUMENT', 'TOKEN_EXPIRED', 'dead'),
    renewal,
  ],
  [
    'FusionAuth, an error',
    '{"error":"invalid_grant","error_description":"The refresh token is invalid.","error_reason":"refresh_token_not_found"}',
    refused(400, 'invalid_grant', 'The refresh token is invalid.', 'dead'),
    renewal,
  ],
  [
    'GitHub App, for an installation',
    '{"token":"ghs_16C7","expires_at":"2026-03-01T13:00:00Z","permissions":{"issues":"write"},"repository_selection":"all"}',
    tokens('ghs_16C7', { in: 3600, status: 201 }),
  ],
  [
    'GoCardless Bank Account Data',
    '{"access":"eyJ.a","access_expires":86400,"refresh":"eyJ.r","refresh_expires":2592000}',
    tokens('eyJ.a', { refresh: 'eyJ.r', in: 86_400 }),
  ],
  [
    'Google IAM',
    '{"accessToken":"ya29.x","expireTime":"2026-03-01T13:00:00Z"}',
    tokens('ya29.x', { in: 3600 }),
  ],
  [
    'Heroku',
    '{"access_token":"a","expires_in":28799,"refresh_token":"r","token_type":"Bearer","user_id":"u","session_nonce":null}',
    tokens('a', { refresh: 'r', in: 28_799 }),
  ],
  [
    'Heroku, an error',
    '{"id":"unauthorized","message":"Invalid credentials provided."}',
    refused(401, 'unauthorized', 'Invalid credentials provided.', 'ours'),
  ],
  [
    'HERE',
    '{"accessToken":"eyJ.a","tokenType":"bearer","expiresIn":86399,"scope":"hrn:here:authorization::x"}',
    tokens('eyJ.a', { in: 86_399, scopes: ['hrn:here:authorization::x'] }),
  ],
  [
    'Hue',
    '{"access_token":"a","access_token_expires_in":"604799","refresh_token":"r","refresh_token_expires_in":"9676799","token_type":"BearerToken"}',
    tokens('a', { refresh: 'r', in: 604_799 }),
  ],
  [
    'Imgur, an error',
    '{"data":{"error":"Invalid refresh_token parameter","request":"/oauth2/token","method":"POST"},"success":false,"status":400}',
    refused(400, 'Invalid refresh_token parameter', undefined, 'dead'),
    renewal,
  ],
  [
    'Keap, a bar in a scope',
    '{"scope":"full|jg999.infusionsoft.com","access_token":"a","token_type":"bearer","expires_in":86400,"refresh_token":"r"}',
    tokens('a', { refresh: 'r', in: 86_400, scopes: ['full|jg999.infusionsoft.com'] }),
  ],
  [
    'Kuaishou',
    '{"result":1,"access_token":"a","expires_in":172800,"refresh_token":"r","open_id":"o","scopes":["user_info"]}',
    tokens('a', { refresh: 'r', in: 172_800, scopes: ['user_info'] }),
  ],
  [
    'Lazada, an error with 200',
    '{"type":"ISV","code":"InvalidCode","message":"Invalid authorization code","request_id":"1"}',
    refused(200, 'InvalidCode', 'Invalid authorization code', 'dead'),
  ],
  [
    'Lightspeed X',
    '{"access_token":"a","token_type":"Bearer","expires":1772452800,"expires_in":86400,"refresh_token":"r","domain_prefix":"acme"}',
    tokens('a', { refresh: 'r', in: 86_400 }),
  ],
  [
    'M-Pesa, an error',
    '{"requestId":"1","errorCode":"400.008.01","errorMessage":"Invalid Authentication passed"}',
    refused(400, '400.008.01', 'Invalid Authentication passed', 'ours'),
  ],
  [
    'Marketo, an error with 200',
    '{"requestId":"1","success":false,"errors":[{"code":"601","message":"Access token invalid"}]}',
    refused(200, '601', 'Access token invalid', 'ours'),
  ],
  ['Marketing Cloud of old', '{"accessToken":"a","expiresIn":3600}', tokens('a', { in: 3600 })],
  [
    'Mercado Libre, an error',
    '{"message":"Error validating grant. Your authorization code or refresh token may be expired or it was already used","error":"invalid_grant","status":400,"cause":[]}',
    refused(
      400,
      'invalid_grant',
      'Error validating grant. Your authorization code or refresh token may be expired or it was already used',
      'dead',
    ),
    renewal,
  ],
  [
    'Mindbody',
    '{"TokenType":"Bearer","AccessToken":"a","User":{"Id":1},"Expires":"2026-03-01T13:00:00Z"}',
    tokens('a', { in: 3600 }),
  ],
  [
    'Mindbody, an error',
    '{"Error":{"Message":"The username or password was incorrect.","Code":"DeniedAccess"}}',
    refused(401, 'DeniedAccess', 'The username or password was incorrect.', 'ours'),
  ],
  [
    'Monzo, an error',
    '{"code":"bad_request.bad_refresh_token","message":"The refresh token is invalid","params":null}',
    refused(400, 'bad_request.bad_refresh_token', 'The refresh token is invalid', 'dead'),
    renewal,
  ],
  [
    'NetDocuments, base64',
    '{"access_token":"/DsAH2ykgeGGfbLY7GEhduWMCc9H0Gih1XVrUZQaeNJNJONEWJm0uuZpmrXSK5mzMXC5jEXSJVjYpF+Xy6FRdarw646T=","expires_in":"2700","token_type":"Bearer"}',
    tokens('/DsAH2ykgeGGfbLY7GEhduWMCc9H0Gih1XVrUZQaeNJNJONEWJm0uuZpmrXSK5mzMXC5jEXSJVjYpF+Xy6FRdarw646T=', {
      in: 2700,
    }),
  ],
]
