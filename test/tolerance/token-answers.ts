// What providers A to L send when they say yes, by their documentation and public reports; the tokens are made up.
// RFC 6749 section 5.1 with everything that is different about it.
import { type Case, renewal, tokens } from './outcome.ts'

const form = { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } }
const inAnHour = Date.parse('2026-03-01T13:00:00Z')

export const tokenAnswers: readonly Case[] = [
  [
    'ADFS',
    '{"access_token":"eyJ.a.b","token_type":"bearer","expires_in":3600,"resource":"urn:api","refresh_token":"adr","refresh_token_expires_in":28799,"id_token":"eyJ.c.d"}',
    tokens('eyJ.a.b', { refresh: 'adr', in: 3600, id: 'eyJ.c.d', raw: { resource: 'urn:api' } }),
  ],
  [
    'Airtable',
    '{"access_token":"oaa1.v1.x","refresh_token":"oaa1.v1.r","token_type":"Bearer","scope":"data.records:read schema.bases:read","expires_in":3600,"refresh_expires_in":5184000}',
    tokens('oaa1.v1.x', {
      refresh: 'oaa1.v1.r',
      in: 3600,
      scopes: ['data.records:read', 'schema.bases:read'],
    }),
  ],
  [
    'Amazon',
    '{"access_token":"Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR","token_type":"bearer","expires_in":3600,"refresh_token":"Atzr|IQEBLzAtAhRPpMJxdwVz2Nn6f2y"}',
    tokens('Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR', {
      refresh: 'Atzr|IQEBLzAtAhRPpMJxdwVz2Nn6f2y',
      in: 3600,
    }),
  ],
  [
    'Asana',
    '{"access_token":"f6ds7fdsa69ags7ag9sd5a","expires_in":3600,"token_type":"bearer","data":{"id":"4673218951","name":"Greg","email":"g@x.example"},"refresh_token":"hjkl325hjkl"}',
    tokens('f6ds7fdsa69ags7ag9sd5a', { refresh: 'hjkl325hjkl', in: 3600, raw: { 'data.name': 'Greg' } }),
  ],
  [
    'Atlassian',
    '{"access_token":"eyJ.j","expires_in":3600,"token_type":"Bearer","refresh_token":"eyJ.r","scope":"read:jira-work offline_access"}',
    tokens('eyJ.j', { refresh: 'eyJ.r', in: 3600, scopes: ['read:jira-work', 'offline_access'] }),
  ],
  [
    'Auth0',
    '{"access_token":"eyJ.0","refresh_token":"v1.M","id_token":"eyJ.i","token_type":"Bearer","expires_in":86400}',
    tokens('eyJ.0', { refresh: 'v1.M', id: 'eyJ.i', in: 86_400 }),
  ],
  [
    'Azure App Service, the token store',
    [
      {
        access_token: 'eyJ.z',
        expires_on: '2026-03-01T13:00:00.0000000Z',
        id_token: 'eyJ.q',
        provider_name: 'aad',
        user_claims: [{ typ: 'aud', val: 'x' }],
        user_id: 'ada',
      },
    ],
    tokens('eyJ.z', { in: 3600, id: 'eyJ.q' }),
  ],
  [
    'Azure managed identity of App Service, 2017',
    '{"access_token":"eyJ.m","expires_on":"03/01/2026 13:00:00 +00:00","resource":"https://vault.azure.net","token_type":"Bearer"}',
    tokens('eyJ.m', { in: 3600 }),
  ],
  [
    'Azure managed identity of a machine',
    '{"access_token":"eyJ.n","refresh_token":"","expires_in":"3599","expires_on":"1772369999","not_before":"1772366100","resource":"https://management.azure.com/","token_type":"Bearer"}',
    tokens('eyJ.n', { in: 3599 }),
  ],
  [
    'Basecamp',
    '{"access_token":"BAhbB0kiAbB7","expires_in":1209600,"refresh_token":"BAhbB0kiAbCC"}',
    tokens('BAhbB0kiAbB7', { refresh: 'BAhbB0kiAbCC', in: 1_209_600 }),
  ],
  [
    'Bitbucket',
    '{"scopes":"pullrequest:write account","access_token":"bb==","expires_in":7200,"token_type":"bearer","state":"authorization_code","refresh_token":"bbr"}',
    tokens('bb==', { refresh: 'bbr', in: 7200, scopes: ['pullrequest:write', 'account'] }),
  ],
  [
    'Bitly',
    'access_token=e663e30818201d28dd07803e57333bed&login=bitlyapi&apiKey=R_1',
    tokens('e663e30818201d28dd07803e57333bed'),
    form,
  ],
  [
    'Box',
    '{"access_token":"c3FIOG9vSGV4VHo4QzAyg5T1JvNnJoZ3ExaVNyQWw6WjRsanRKZG5lQk9qUE1BVQ","expires_in":3600,"restricted_to":[],"token_type":"bearer","refresh_token":"bxr"}',
    tokens('c3FIOG9vSGV4VHo4QzAyg5T1JvNnJoZ3ExaVNyQWw6WjRsanRKZG5lQk9qUE1BVQ', {
      refresh: 'bxr',
      in: 3600,
    }),
  ],
  [
    'Calendly',
    '{"token_type":"Bearer","access_token":"eyJ.c","refresh_token":"cal-r","scope":"default","created_at":1772366400,"expires_in":7200,"owner":"https://api.calendly.com/users/A","organization":"https://api.calendly.com/organizations/B"}',
    tokens('eyJ.c', { refresh: 'cal-r', in: 7200, scopes: ['default'] }),
  ],
  [
    'Canva',
    '{"access_token":"eyJ.v","refresh_token":"cv-r","token_type":"Bearer","expires_in":14400,"scope":"asset:read design:meta:read"}',
    tokens('eyJ.v', { refresh: 'cv-r', in: 14_400, scopes: ['asset:read', 'design:meta:read'] }),
  ],
  ['ClickUp', '{"access_token":"12345_abcdef"}', tokens('12345_abcdef')],
  [
    'Clover',
    {
      access_token: 'eyJ.cl',
      access_token_expiration: inAnHour / 1000,
      refresh_token: 'clvroar-1',
      refresh_token_expiration: inAnHour / 1000 + 31_536_000,
    },
    tokens('eyJ.cl', { refresh: 'clvroar-1', in: 3600 }),
  ],
  [
    'Coinbase',
    '{"access_token":"6915ab99857fec1e6f2f6c078583756d0c09d7207750baea28dfbc3d4b0f2cb80","token_type":"bearer","expires_in":7200,"refresh_token":"cbr","scope":"wallet:user:read wallet:accounts:read"}',
    tokens('6915ab99857fec1e6f2f6c078583756d0c09d7207750baea28dfbc3d4b0f2cb80', {
      refresh: 'cbr',
      in: 7200,
      scopes: ['wallet:user:read', 'wallet:accounts:read'],
    }),
  ],
  [
    'Deezer',
    'access_token=frGk1&expires=3600',
    tokens('frGk1', { in: 3600 }),
    { headers: { 'content-type': 'text/html; charset=utf-8' } },
  ],
  [
    'Deezer, offline_access',
    'access_token=frGk1&expires=0',
    tokens('frGk1'),
    { headers: { 'content-type': 'text/html' } },
  ],
  [
    'Discord, with a webhook',
    '{"token_type":"Bearer","access_token":"6qrZcUqja7812RVdnEKjpzOL4CvHBFG","expires_in":604800,"refresh_token":"D43f5y0ahjqew82jZ4NViEr2YafMKhue","scope":"identify webhook.incoming","webhook":{"id":"1","token":"wt","url":"https://discord.com/api/webhooks/1/wt"}}',
    tokens('6qrZcUqja7812RVdnEKjpzOL4CvHBFG', {
      refresh: 'D43f5y0ahjqew82jZ4NViEr2YafMKhue',
      in: 604_800,
      scopes: ['identify', 'webhook.incoming'],
      raw: { 'webhook.token': 'wt' },
    }),
  ],
  [
    'DocuSign',
    '{"access_token":"eyJ.ds","token_type":"Bearer","refresh_token":"ds-r","expires_in":28800}',
    tokens('eyJ.ds', { refresh: 'ds-r', in: 28_800 }),
  ],
  [
    'Dropbox, no refresh token',
    '{"access_token":"sl.AbX9","token_type":"bearer","expires_in":14400,"scope":"account_info.read files.content.read","uid":"12345","account_id":"dbid:AA"}',
    tokens('sl.AbX9', {
      in: 14_400,
      scopes: ['account_info.read', 'files.content.read'],
      raw: { account_id: 'dbid:AA' },
    }),
  ],
  [
    'Dropbox, long-lived of old',
    '{"access_token":"ABCDEFG","token_type":"bearer","account_id":"dbid:AA","uid":"12345"}',
    tokens('ABCDEFG'),
  ],
  [
    'R18 eBay',
    '{"access_token":"v^1.1#i^1#p^3#r^1","expires_in":7200,"refresh_token":"v^1.1#i^1#f^0","refresh_token_expires_in":47304000,"token_type":"User Access Token"}',
    tokens('v^1.1#i^1#p^3#r^1', { refresh: 'v^1.1#i^1#f^0', in: 7200 }),
  ],
  [
    'R18 eBay, renewed',
    '{"access_token":"v^1.1#n","expires_in":7200,"token_type":"User Access Token"}',
    tokens('v^1.1#n', { refresh: 'r0', in: 7200 }),
    renewal,
  ],
  [
    'eBay, for the application',
    '{"access_token":"v^1.1#app","expires_in":7200,"token_type":"Application Access Token"}',
    tokens('v^1.1#app', { in: 7200 }),
  ],
  [
    'Etsy',
    '{"access_token":"12345678.O1zLuwveeKjpIqCQFfmR-PaMMpBmagH6DljRAkK9qt05OtRKiANJOyZlMx3WQ","token_type":"Bearer","expires_in":3600,"refresh_token":"12345678.JNGIJtvLmwfDMhlYoOJl8aLR1BWottyHC6yhNcET-eC7RogSR5e1GTIXGrgrelWZalvh3YvvyLfKYYqvymd-u37Sjtx"}',
    tokens('12345678.O1zLuwveeKjpIqCQFfmR-PaMMpBmagH6DljRAkK9qt05OtRKiANJOyZlMx3WQ', {
      refresh:
        '12345678.JNGIJtvLmwfDMhlYoOJl8aLR1BWottyHC6yhNcET-eC7RogSR5e1GTIXGrgrelWZalvh3YvvyLfKYYqvymd-u37Sjtx',
      in: 3600,
    }),
  ],
  [
    'R18 Facebook of old',
    'access_token=AAAFb&expires=5183944',
    tokens('AAAFb', { in: 5_183_944 }),
    { headers: { 'content-type': 'text/plain; charset=UTF-8' } },
  ],
  [
    'Facebook',
    '{"access_token":"EAAG","token_type":"bearer","expires_in":5183944}',
    tokens('EAAG', { in: 5_183_944 }),
    { headers: { 'content-type': 'text/javascript; charset=UTF-8' } },
  ],
  ['Facebook, without an end', '{"access_token":"EAAG","token_type":"bearer"}', tokens('EAAG')],
  [
    'Figma',
    '{"user_id":1234567890,"user_id_string":"1234567890","access_token":"figu_1","token_type":"bearer","expires_in":7776000,"refresh_token":"figur_1"}',
    tokens('figu_1', { refresh: 'figur_1', in: 7_776_000, raw: { user_id_string: '1234567890' } }),
  ],
  [
    'R18 Fitbit',
    '{"access_token":"eyJ.fb","expires_in":28800,"refresh_token":"c643a63c072f0f05478e9d18b991db80ef6061e4f8e6c822d83fed53e5fafdd7","scope":"activity heartrate","token_type":"Bearer","user_id":"GGNJL9"}',
    tokens('eyJ.fb', {
      refresh: 'c643a63c072f0f05478e9d18b991db80ef6061e4f8e6c822d83fed53e5fafdd7',
      in: 28_800,
      scopes: ['activity', 'heartrate'],
    }),
  ],
  [
    'ForgeRock',
    '{"access_token":"sbQZ","refresh_token":"g1F","scope":"profile openid","id_token":"eyJ.fr","token_type":"Bearer","expires_in":3599}',
    tokens('sbQZ', { refresh: 'g1F', scopes: ['profile', 'openid'], id: 'eyJ.fr', in: 3599 }),
  ],
  ['Foursquare', '{"access_token":"ACCESS_TOKEN"}', tokens('ACCESS_TOKEN')],
  [
    'FreshBooks',
    '{"access_token":"fb1","token_type":"Bearer","expires_in":43200,"refresh_token":"fbr","scope":"user:profile:read","created_at":1772366400,"direct_buy_tokens":{}}',
    tokens('fb1', { refresh: 'fbr', in: 43_200, scopes: ['user:profile:read'] }),
  ],
  [
    'Garmin',
    '{"access_token":"eyJ.g","token_type":"bearer","refresh_token":"eyJ.gr","expires_in":86400,"scope":"PARTNER_READ CONNECT_READ","jti":"1","refresh_token_expires_in":7775998}',
    tokens('eyJ.g', { refresh: 'eyJ.gr', in: 86_400, scopes: ['PARTNER_READ', 'CONNECT_READ'] }),
  ],
  [
    'P33 GitHub, by default a form',
    'access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a&scope=repo%2Cgist&token_type=bearer',
    tokens('gho_16C7e42F292c6912E7710c838347Ae178B4a', { scopes: ['repo', 'gist'] }),
    form,
  ],
  [
    'GitHub, JSON without scopes',
    '{"access_token":"gho_16","token_type":"bearer","scope":""}',
    tokens('gho_16'),
    { note: 'an empty scope says nothing, so what was asked for counts, as with requests-oauthlib' },
  ],
  [
    'GitHub App',
    '{"access_token":"ghu_1","expires_in":28800,"refresh_token":"ghr_1","refresh_token_expires_in":15811200,"token_type":"bearer","scope":""}',
    tokens('ghu_1', { refresh: 'ghr_1', in: 28_800 }),
  ],
  [
    'GitHub App, renewed, as a form',
    'access_token=ghu_2&expires_in=28800&refresh_token=ghr_2&refresh_token_expires_in=15811200&scope=&token_type=bearer',
    tokens('ghu_2', { refresh: 'ghr_2', in: 28_800 }),
    { ...renewal, ...form },
  ],
  [
    'GitLab',
    '{"access_token":"de6780bc506a0446309bd9362820ba8aed28aa506c71eedbe1c5c4f9dd350e54","token_type":"bearer","expires_in":7200,"refresh_token":"8257e65c97202ed1726cf9571600918f3bffb2544b26e00a61df9897668c33a1","created_at":1607635748}',
    tokens('de6780bc506a0446309bd9362820ba8aed28aa506c71eedbe1c5c4f9dd350e54', {
      refresh: '8257e65c97202ed1726cf9571600918f3bffb2544b26e00a61df9897668c33a1',
      in: 7200,
    }),
    { note: 'from now, whatever created_at says, as every client reads it' },
  ],
  [
    'Google',
    '{\n  "access_token": "ya29.a0",\n  "expires_in": 3599,\n  "refresh_token": "1//0e",\n  "scope": "openid https://www.googleapis.com/auth/drive.file",\n  "token_type": "Bearer",\n  "id_token": "eyJ.g"\n}',
    tokens('ya29.a0', {
      refresh: '1//0e',
      in: 3599,
      id: 'eyJ.g',
      scopes: ['openid', 'https://www.googleapis.com/auth/drive.file'],
    }),
  ],
  [
    'Google, renewed',
    '{"access_token":"ya29.a1","expires_in":3599,"scope":"openid","token_type":"Bearer","refresh_token_expires_in":604799}',
    tokens('ya29.a1', { refresh: 'r0', in: 3599, scopes: ['openid'] }),
    renewal,
  ],
  [
    'Google STS, a duration as text',
    '{"access_token":"ya29.d","token_type":"Bearer","expires_in":"3600s"}',
    tokens('ya29.d', { in: 3600 }),
  ],
  [
    'Gusto',
    '{"access_token":"gu","refresh_token":"gur","expires_in":7200,"token_type":"bearer","created_at":1772366400,"scope":"public"}',
    tokens('gu', { refresh: 'gur', in: 7200, scopes: ['public'] }),
  ],
  [
    'Harvest',
    '{"access_token":"1.at.x","refresh_token":"1.rt.x","token_type":"bearer","expires_in":1209599}',
    tokens('1.at.x', { refresh: '1.rt.x', in: 1_209_599 }),
  ],
  [
    'HubSpot',
    '{"token_type":"bearer","refresh_token":"na1-r","access_token":"CPxx","hub_id":1234,"scopes":["oauth","crm.objects.contacts.read"],"expires_in":1800}',
    tokens('CPxx', {
      refresh: 'na1-r',
      in: 1800,
      scopes: ['oauth', 'crm.objects.contacts.read'],
      raw: { hub_id: 1234 },
    }),
  ],
  [
    'IdentityServer',
    '{"id_token":"eyJ.i","access_token":"eyJ.s","expires_in":3600,"token_type":"Bearer","refresh_token":"F-1","scope":"openid api1 offline_access"}',
    tokens('eyJ.s', { id: 'eyJ.i', refresh: 'F-1', in: 3600, scopes: ['openid', 'api1', 'offline_access'] }),
  ],
  ['R18 Instagram of old', '{"access_token":"IGQVJ","user_id":17841405793187218}', tokens('IGQVJ')],
  [
    'Instagram business login',
    '{"data":[{"access_token":"EAACE","user_id":"1020","permissions":"instagram_business_basic,instagram_business_manage_messages"}]}',
    tokens('EAACE', { scopes: ['instagram_business_basic', 'instagram_business_manage_messages'] }),
  ],
  [
    'Instagram, long-lived',
    '{"access_token":"IGAA","token_type":"bearer","expires_in":5183944,"permissions":"instagram_business_basic"}',
    tokens('IGAA', { in: 5_183_944, scopes: ['instagram_business_basic'] }),
  ],
  ['Intercom', '{"token_type":"Bearer","token":"dG9rOmE=","access_token":"dG9rOmE="}', tokens('dG9rOmE=')],
  [
    'Intercom, without the alias',
    '{"token_type":"Bearer","token":"dG9rOmE="}',
    tokens('dG9rOmE='),
    { note: 'token alone may be anything; beside a token_type it is the access token' },
  ],
  [
    'Keycloak',
    '{"access_token":"eyJ.k","expires_in":300,"refresh_expires_in":1800,"refresh_token":"eyJ.kr","token_type":"Bearer","id_token":"eyJ.ki","not-before-policy":0,"session_state":"c1","scope":"openid profile email"}',
    tokens('eyJ.k', {
      refresh: 'eyJ.kr',
      id: 'eyJ.ki',
      in: 300,
      scopes: ['openid', 'profile', 'email'],
      raw: { session_state: 'c1' },
    }),
  ],
  [
    'Keycloak, a service',
    '{"access_token":"eyJ.k2","expires_in":60,"refresh_expires_in":0,"token_type":"Bearer","not-before-policy":0,"scope":"profile"}',
    tokens('eyJ.k2', { in: 60, scopes: ['profile'] }),
  ],
  [
    'Linear',
    '{"access_token":"lin_oauth_1","token_type":"Bearer","expires_in":86399,"scope":"read write","refresh_token":"lin_r"}',
    tokens('lin_oauth_1', { refresh: 'lin_r', in: 86_399, scopes: ['read', 'write'] }),
  ],
  [
    'Linear of old, a list',
    '{"access_token":"lin_oauth_1","token_type":"Bearer","expires_in":315705599,"scope":["read","write"]}',
    tokens('lin_oauth_1', { in: 315_705_599, scopes: ['read', 'write'] }),
  ],
  [
    'LinkedIn',
    '{"access_token":"AQV8","expires_in":5184000,"refresh_token":"AQWA","refresh_token_expires_in":525600,"scope":"r_basicprofile"}',
    tokens('AQV8', { refresh: 'AQWA', in: 5_184_000, scopes: ['r_basicprofile'] }),
  ],
  [
    'LinkedIn, scopes with commas',
    '{"access_token":"AQV8","expires_in":5184000,"scope":"email,openid,profile","token_type":"Bearer","id_token":"eyJ.l"}',
    tokens('AQV8', { in: 5_184_000, scopes: ['email', 'openid', 'profile'], id: 'eyJ.l' }),
  ],
]
