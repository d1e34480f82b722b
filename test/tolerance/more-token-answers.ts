// What providers M to Z send when they say yes, by their documentation and public reports; the tokens are made up.
// RFC 6749 section 5.1 with everything that is different about it.
import { type Case, renewal, tokens } from './outcome.ts'

export const moreTokenAnswers: readonly Case[] = [
  [
    'R18 Mailchimp',
    '{"access_token":"5c6ccc561059386d","expires_in":0,"scope":null}',
    tokens('5c6ccc561059386d'),
    { note: 'zero cannot mean that it has ended: nothing could renew it' },
  ],
  [
    'Microsoft v1',
    '{"token_type":"Bearer","scope":"User.Read profile","expires_in":"3599","ext_expires_in":"3599","expires_on":"1772369999","not_before":"1772366100","resource":"00000003-0000-0000-c000-000000000000","access_token":"eyJ.m1","refresh_token":"0.A"}',
    tokens('eyJ.m1', { refresh: '0.A', in: 3599, scopes: ['User.Read', 'profile'] }),
  ],
  [
    'Microsoft v2',
    '{"token_type":"Bearer","scope":"https://graph.microsoft.com/User.Read openid","expires_in":4736,"ext_expires_in":4736,"access_token":"eyJ.m2","refresh_token":"M.C1","id_token":"eyJ.mi"}',
    tokens('eyJ.m2', {
      refresh: 'M.C1',
      id: 'eyJ.mi',
      in: 4736,
      scopes: ['https://graph.microsoft.com/User.Read', 'openid'],
    }),
  ],
  [
    'Microsoft v1, expires_on alone',
    '{"token_type":"Bearer","expires_on":"1772370000","access_token":"eyJ.m3"}',
    tokens('eyJ.m3', { in: 3600 }),
  ],
  [
    'Miro',
    '{"user_id":"30744","refresh_token":"eyM","access_token":"eyA","expires_in":3599,"team_id":"30744","scope":"boards:write boards:read","token_type":"bearer"}',
    tokens('eyA', { refresh: 'eyM', in: 3599, scopes: ['boards:write', 'boards:read'] }),
  ],
  [
    'Monday',
    '{"access_token":"eyJ.mo","token_type":"Bearer","scope":"me:read boards:read"}',
    tokens('eyJ.mo', { scopes: ['me:read', 'boards:read'] }),
  ],
  [
    'Notion',
    '{"access_token":"secret_1","token_type":"bearer","refresh_token":null,"bot_id":"b1","workspace_icon":null,"workspace_id":"w1","owner":{"workspace":true},"duplicated_template_id":null,"request_id":"q"}',
    tokens('secret_1', { raw: { workspace_id: 'w1' } }),
  ],
  [
    'Okta',
    '{"token_type":"Bearer","expires_in":3600,"access_token":"eyJ.ok","scope":"offline_access openid","refresh_token":"a9V","id_token":"eyJ.oi"}',
    tokens('eyJ.ok', { refresh: 'a9V', id: 'eyJ.oi', in: 3600, scopes: ['offline_access', 'openid'] }),
  ],
  [
    'OneLogin v1, in a list',
    '{"status":{"error":false,"code":200,"type":"success","message":"Success"},"data":[{"access_token":"xx508xx63817x752xx74004x30705xx92x58349x5x78f5xx34xxxxx51","created_at":"2026-03-01T12:00:00.000Z","expires_in":36000,"refresh_token":"628x9x0xx447xx4x421x517x4x474x33x2065x4x1xx523xxxxx6x7x20","token_type":"bearer","account_id":555555}]}',
    tokens('xx508xx63817x752xx74004x30705xx92x58349x5x78f5xx34xxxxx51', {
      refresh: '628x9x0xx447xx4x421x517x4x474x33x2065x4x1xx523xxxxx6x7x20',
      in: 36_000,
    }),
  ],
  [
    'Oura',
    '{"token_type":"bearer","access_token":"ou","expires_in":86400,"refresh_token":"our"}',
    tokens('ou', { refresh: 'our', in: 86_400 }),
  ],
  [
    'OWIN',
    '{"access_token":"ow","token_type":"bearer","expires_in":1209599,"userName":"ada@x.example",".issued":"Sun, 01 Mar 2026 12:00:00 GMT",".expires":"Sun, 15 Mar 2026 12:00:00 GMT"}',
    tokens('ow', { in: 1_209_599 }),
  ],
  [
    'OWIN, dates alone',
    '{"access_token":"ow","token_type":"bearer",".expires":"Sun, 01 Mar 2026 13:00:00 GMT"}',
    tokens('ow', { in: 3600 }),
  ],
  [
    'PayPal',
    '{"scope":"https://uri.paypal.com/services/invoicing openid","access_token":"A21AAFEpH4PsADK7qSS7pSRsgzfENtu-Q1ysgEDVDESseMHBYXVJYE8ovjj68elIDy8nF26AwPhfXTIeWAZHSLIsQkSYz9ifg","token_type":"Bearer","app_id":"APP-80W284485P519543T","expires_in":31668,"nonce":"2026-03-01T11:35:00Zx","refresh_token":"R23"}',
    tokens(
      'A21AAFEpH4PsADK7qSS7pSRsgzfENtu-Q1ysgEDVDESseMHBYXVJYE8ovjj68elIDy8nF26AwPhfXTIeWAZHSLIsQkSYz9ifg',
      { refresh: 'R23', in: 31_668, scopes: ['https://uri.paypal.com/services/invoicing', 'openid'] },
    ),
  ],
  [
    'Ping',
    '{"access_token":"eyJ.p","token_type":"Bearer","expires_in":7199,"id_token":"eyJ.pi"}',
    tokens('eyJ.p', { id: 'eyJ.pi', in: 7199 }),
  ],
  [
    'Pinterest',
    '{"response_type":"authorization_code","access_token":"pina_1","refresh_token":"pinr.1","token_type":"bearer","expires_in":2592000,"refresh_token_expires_in":31536000,"scope":"boards:read pins:read"}',
    tokens('pina_1', { refresh: 'pinr.1', in: 2_592_000, scopes: ['boards:read', 'pins:read'] }),
  ],
  [
    'Pipedrive',
    '{"access_token":"v1u:AQIBAHj","token_type":"Bearer","refresh_token":"1234:5678","scope":"deals:read,contacts:full","expires_in":3599,"api_domain":"https://acme.pipedrive.com"}',
    tokens('v1u:AQIBAHj', {
      refresh: '1234:5678',
      in: 3599,
      scopes: ['deals:read', 'contacts:full'],
      raw: { api_domain: 'https://acme.pipedrive.com' },
    }),
  ],
  [
    'R18 plentymarkets',
    '{"tokenType":"Bearer","expiresIn":86400,"accessToken":"eyJ.pl","refreshToken":"5dc2"}',
    tokens('eyJ.pl', { refresh: '5dc2', in: 86_400 }),
  ],
  [
    'R18 plentymarkets, renewed',
    '{"tokenType":"Bearer","expiresIn":86400,"accessToken":"eyJ.pm","refreshToken":"6dc2"}',
    tokens('eyJ.pm', { refresh: '6dc2', in: 86_400 }),
    renewal,
  ],
  [
    'QuickBooks',
    '{"x_refresh_token_expires_in":8726400,"refresh_token":"AB117","access_token":"eyJ.qb","token_type":"bearer","expires_in":3600}',
    tokens('eyJ.qb', { refresh: 'AB117', in: 3600 }),
  ],
  [
    'Ramp',
    '{"access_token":"ramp_business_tok_1","expires_in":864000,"refresh_token":null,"scope":"transactions:read","token_type":"Bearer"}',
    tokens('ramp_business_tok_1', { in: 864_000, scopes: ['transactions:read'] }),
  ],
  [
    'Reddit',
    '{"access_token":"eyJ.r","token_type":"bearer","expires_in":86400,"refresh_token":"1-r","scope":"identity read"}',
    tokens('eyJ.r', { refresh: '1-r', in: 86_400, scopes: ['identity', 'read'] }),
  ],
  [
    'Reddit, everything',
    '{"access_token":"eyJ.r","token_type":"bearer","expires_in":86400,"scope":"*"}',
    tokens('eyJ.r', { in: 86_400, scopes: ['*'] }),
  ],
  [
    'Salesforce',
    '{"access_token":"00Dx0000000BV7z!AR8AQAxo9UfVkh8AlV0Gomt9Czx9LjHnSSpwBMmbRcgKFmxOtvxjTrKW19ye6PE3Ds1eQz3z8jr3W7_VbWmEu4Q8TVGSTHxs","refresh_token":"5Aep","signature":"0CmxinZir53Yex7nE0TD+zMpvIWYGb/bdJh6XfOH6EQ=","scope":"full refresh_token","instance_url":"https://acme.my.salesforce.com","id":"https://login.salesforce.com/id/00Dx/005x","token_type":"Bearer","issued_at":"1772366400000"}',
    tokens(
      '00Dx0000000BV7z!AR8AQAxo9UfVkh8AlV0Gomt9Czx9LjHnSSpwBMmbRcgKFmxOtvxjTrKW19ye6PE3Ds1eQz3z8jr3W7_VbWmEu4Q8TVGSTHxs',
      {
        refresh: '5Aep',
        scopes: ['full', 'refresh_token'],
        raw: { instance_url: 'https://acme.my.salesforce.com' },
      },
    ),
  ],
  [
    'Salesforce, XML',
    '<?xml version="1.0" encoding="UTF-8"?><OAuth><access_token>00D!x</access_token><instance_url>https://acme.my.salesforce.com</instance_url><token_type>Bearer</token_type></OAuth>',
    tokens('00D!x'),
    { headers: { 'content-type': 'application/xml' }, note: 'nothing in it can be read as a failure' },
  ],
  [
    'Shopify, offline',
    '{"access_token":"f85632530bf277ec9ac6f649fc327f17","scope":"write_orders,read_customers"}',
    tokens('f85632530bf277ec9ac6f649fc327f17', { scopes: ['write_orders', 'read_customers'] }),
  ],
  [
    'Shopify, online',
    '{"access_token":"shpua_1","scope":"write_orders","expires_in":86399,"associated_user_scope":"write_orders","session":"abc","account_number":0,"associated_user":{"id":902541635,"first_name":"Ada"}}',
    tokens('shpua_1', { in: 86_399, scopes: ['write_orders'] }),
  ],
  [
    'Slack v1',
    '{"ok":true,"access_token":"xoxp-23984754863-2348975623103","scope":"read","team_name":"T","team_id":"TXXX","incoming_webhook":{"url":"https://hooks.slack.com/TXXXXX/BXXXXX/XXXXXXXXXX"},"bot":{"bot_user_id":"UTT","bot_access_token":"xoxb-XXX"}}',
    tokens('xoxp-23984754863-2348975623103', {
      scopes: ['read'],
      raw: { 'bot.bot_access_token': 'xoxb-XXX' },
    }),
  ],
  [
    'R18 P36 Slack v2, a bot',
    '{"ok":true,"access_token":"xoxb-17653672481","token_type":"bot","scope":"commands,incoming-webhook","bot_user_id":"U0KRQLJ9H","app_id":"A0","team":{"name":"S","id":"T9TK3CUKW"},"enterprise":null,"authed_user":{"id":"U1234"}}',
    tokens('xoxb-17653672481', { scopes: ['commands', 'incoming-webhook'] }),
  ],
  [
    'R18 P36 Slack v2, a person',
    '{"ok":true,"app_id":"A0","authed_user":{"id":"U1234","scope":"chat:write,search:read","access_token":"xoxp-1234","token_type":"user"},"team":{"id":"T1"},"enterprise":null,"is_enterprise_install":false}',
    tokens('xoxp-1234', { scopes: ['chat:write', 'search:read'] }),
  ],
  [
    'P36 Slack v2, both, rotating',
    '{"ok":true,"access_token":"xoxe.xoxb-1","expires_in":43200,"refresh_token":"xoxe-1-b","token_type":"bot","scope":"commands","authed_user":{"id":"U1","scope":"chat:write","access_token":"xoxe.xoxp-1","expires_in":43200,"refresh_token":"xoxe-1-p","token_type":"user"}}',
    tokens('xoxe.xoxb-1', {
      refresh: 'xoxe-1-b',
      in: 43_200,
      scopes: ['commands'],
      extra: {
        userToken: {
          accessToken: 'xoxe.xoxp-1',
          refreshToken: 'xoxe-1-p',
          expiresAt: '2026-03-02T00:00:00.000Z',
          scopes: ['chat:write'],
        },
      },
    }),
  ],
  [
    'Slack v2, renewed',
    '{"ok":true,"access_token":"xoxe.xoxb-2","expires_in":43200,"refresh_token":"xoxe-2-b","token_type":"bot","scope":"commands"}',
    tokens('xoxe.xoxb-2', { refresh: 'xoxe-2-b', in: 43_200, scopes: ['commands'] }),
    renewal,
  ],
  [
    'Snapchat',
    '{"access_token":"eyJ.sn","token_type":"Bearer","expires_in":1800,"refresh_token":"eyJ.sr","scope":"snapchat-marketing-api"}',
    tokens('eyJ.sn', { refresh: 'eyJ.sr', in: 1800, scopes: ['snapchat-marketing-api'] }),
  ],
  [
    'SoundCloud',
    '{"access_token":"sc","token_type":"Bearer","expires_in":3599,"refresh_token":"scr","scope":""}',
    tokens('sc', { refresh: 'scr', in: 3599 }),
  ],
  [
    'SoundCloud of old',
    '{"access_token":"1-2345","scope":"non-expiring"}',
    tokens('1-2345', { scopes: ['non-expiring'] }),
  ],
  [
    'Spotify',
    '{"access_token":"NgCXRK...MzYjw","token_type":"Bearer","scope":"user-read-private user-read-email","expires_in":3600,"refresh_token":"NgAagA...Um_SHo"}',
    tokens('NgCXRK...MzYjw', {
      refresh: 'NgAagA...Um_SHo',
      in: 3600,
      scopes: ['user-read-private', 'user-read-email'],
    }),
  ],
  [
    'Square',
    '{"access_token":"EAAAE","token_type":"bearer","expires_at":"2026-03-31T12:00:00Z","merchant_id":"MERCHANT_ID","refresh_token":"EQAAE","short_lived":false}',
    tokens('EAAAE', { refresh: 'EQAAE', in: 2_592_000 }),
  ],
  [
    'Stack Exchange of old',
    'access_token=3Y5t))&expires=86400',
    tokens('3Y5t))', { in: 86_400 }),
    { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ],
  [
    'Stack Exchange, no_expiry',
    'access_token=3Y5t',
    tokens('3Y5t'),
    { headers: { 'content-type': 'text/plain' } },
  ],
  [
    'Strava',
    '{"token_type":"Bearer","expires_at":1772388000,"expires_in":21600,"refresh_token":"e5n567567","access_token":"a4b945687g","athlete":{"id":227615,"username":"ada"}}',
    tokens('a4b945687g', { refresh: 'e5n567567', in: 21_600 }),
  ],
  [
    'Stripe',
    '{"access_token":"sk_test_1","livemode":false,"refresh_token":"rt_1","token_type":"bearer","stripe_publishable_key":"pk_test_1","stripe_user_id":"acct_1","scope":"express"}',
    tokens('sk_test_1', { refresh: 'rt_1', scopes: ['express'], raw: { stripe_user_id: 'acct_1' } }),
  ],
  [
    'TikTok v2',
    '{"access_token":"act.example12345","expires_in":86400,"open_id":"afd97af1","refresh_expires_in":31536000,"refresh_token":"rft.example12345","scope":"user.info.basic,video.list","token_type":"Bearer"}',
    tokens('act.example12345', {
      refresh: 'rft.example12345',
      in: 86_400,
      scopes: ['user.info.basic', 'video.list'],
    }),
  ],
  [
    'TikTok v1, nested',
    '{"data":{"access_token":"act.1","captcha":"","desc_url":"","description":"","error_code":0,"expires_in":86400,"log_id":"2","open_id":"o","refresh_expires_in":31536000,"refresh_token":"rft.1","scope":"user.info.basic"},"message":"success"}',
    tokens('act.1', { refresh: 'rft.1', in: 86_400, scopes: ['user.info.basic'] }),
  ],
  [
    'TikTok Shop',
    '{"code":0,"message":"success","data":{"access_token":"TTP_1","access_token_expire_in":1772370000,"refresh_token":"TTP_r","refresh_token_expire_in":1803902400,"open_id":"o","seller_name":"S"},"request_id":"2"}',
    tokens('TTP_1', { refresh: 'TTP_r', in: 3600 }),
  ],
  [
    'Todoist',
    '{"access_token":"0123456789abcdef0123456789abcdef01234567","token_type":"Bearer"}',
    tokens('0123456789abcdef0123456789abcdef01234567'),
  ],
  [
    'Trakt',
    '{"access_token":"dbaf9757982a9e738f05d249b7b5b4a266b3a139049317c4909f2f263572c781","token_type":"bearer","expires_in":7776000,"refresh_token":"76ba4c5c75c96f6087f58a4de10be6c00b29ea1ddc3b2022ee2016d1363e3a7c","scope":"public","created_at":1487889741}',
    tokens('dbaf9757982a9e738f05d249b7b5b4a266b3a139049317c4909f2f263572c781', {
      refresh: '76ba4c5c75c96f6087f58a4de10be6c00b29ea1ddc3b2022ee2016d1363e3a7c',
      in: 7_776_000,
      scopes: ['public'],
    }),
  ],
  [
    'Twitch',
    '{"access_token":"rfx2uswqe8l4g1mkagrvg5tv0ks3","expires_in":14124,"refresh_token":"5b93chm6hdve3mycz05zfzatkfdenfspp1h1ar2xxdalen01","scope":["channel:moderate","chat:edit"],"token_type":"bearer"}',
    tokens('rfx2uswqe8l4g1mkagrvg5tv0ks3', {
      refresh: '5b93chm6hdve3mycz05zfzatkfdenfspp1h1ar2xxdalen01',
      in: 14_124,
      scopes: ['channel:moderate', 'chat:edit'],
    }),
  ],
  [
    'Twitter',
    '{"token_type":"bearer","expires_in":7200,"access_token":"T3d","scope":"tweet.read offline.access","refresh_token":"T3r"}',
    tokens('T3d', { refresh: 'T3r', in: 7200, scopes: ['tweet.read', 'offline.access'] }),
  ],
  [
    'Typeform',
    '{"access_token":"tfp_1","expires_in":604800,"refresh_token":"tfr","scope":"accounts:read forms:read offline","token_type":"bearer"}',
    tokens('tfp_1', { refresh: 'tfr', in: 604_800, scopes: ['accounts:read', 'forms:read', 'offline'] }),
  ],
  [
    'Vimeo',
    '{"access_token":"vi","token_type":"bearer","scope":"private public","user":{"uri":"/users/1","name":"Ada"},"app":{"name":"A"}}',
    tokens('vi', { scopes: ['private', 'public'] }),
  ],
  [
    'VK',
    '{"access_token":"533bacf01e11f55b536a565b57531ac114461ae8736d6506a3","expires_in":43200,"user_id":66748}',
    tokens('533bacf01e11f55b536a565b57531ac114461ae8736d6506a3', { in: 43_200 }),
  ],
  [
    'VK, offline: zero is never',
    '{"access_token":"533bacf0","expires_in":0,"user_id":66748,"email":"a@x.example"}',
    tokens('533bacf0'),
  ],
  [
    'Whoop',
    '{"access_token":"wh","expires_in":3600,"refresh_token":"whr","scope":"offline read:profile","token_type":"bearer"}',
    tokens('wh', { refresh: 'whr', in: 3600, scopes: ['offline', 'read:profile'] }),
  ],
  [
    'R8 Withings',
    '{"status":0,"body":{"userid":"363","access_token":"a075f8c14fb8df40b08ebc8508533dc332a6910a","refresh_token":"f631236f02b991810feb774765b6ae8e6c6839ca","expires_in":10800,"scope":"user.info,user.metrics","csrf_token":"PACnnxwHTaBQOzF7bQqwFUUotIuvtzSM","token_type":"Bearer"}}',
    tokens('a075f8c14fb8df40b08ebc8508533dc332a6910a', {
      refresh: 'f631236f02b991810feb774765b6ae8e6c6839ca',
      in: 10_800,
      scopes: ['user.info', 'user.metrics'],
    }),
  ],
  [
    'Wrike',
    '{"access_token":"2YotnFZFEjr1zCsicMWpAA","refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","token_type":"bearer","expires_in":3600,"host":"www.wrike.com"}',
    tokens('2YotnFZFEjr1zCsicMWpAA', {
      refresh: 'tGzv3JOkF0XG5Qx2TlKWIA',
      in: 3600,
      raw: { host: 'www.wrike.com' },
    }),
  ],
  [
    'Xero',
    '{"id_token":"eyJ.xi","access_token":"eyJ.x","expires_in":1800,"token_type":"Bearer","refresh_token":"6ab","scope":"openid accounting.transactions offline_access"}',
    tokens('eyJ.x', {
      refresh: '6ab',
      id: 'eyJ.xi',
      in: 1800,
      scopes: ['openid', 'accounting.transactions', 'offline_access'],
    }),
  ],
  [
    'Yahoo',
    '{"access_token":"Jzxb.4","refresh_token":"AOiRUU","expires_in":3600,"token_type":"bearer","xoauth_yahoo_guid":"JT4FACLQZI2OCE"}',
    tokens('Jzxb.4', { refresh: 'AOiRUU', in: 3600, raw: { xoauth_yahoo_guid: 'JT4FACLQZI2OCE' } }),
  ],
  [
    'Yammer, an object for the token',
    '{"user":{"id":1},"network":{"id":1},"access_token":{"user_id":1,"network_id":1,"token":"abcdefghijklmn","view_members":true,"authorized_at":"2026/03/01 12:00:00 +0000","expires_at":null}}',
    tokens('abcdefghijklmn'),
  ],
  [
    'Zendesk',
    '{"access_token":"gErypPlm4dOVgGRvA1ZzMH5MQ3nLo8bo","token_type":"bearer","scope":"read write"}',
    tokens('gErypPlm4dOVgGRvA1ZzMH5MQ3nLo8bo', { scopes: ['read', 'write'] }),
  ],
  [
    'Zoho',
    '{"access_token":"1000.8ecdbba14d","refresh_token":"1000.f6ccd7c1","scope":"ZohoCRM.modules.ALL ZohoCRM.settings.ALL","api_domain":"https://www.zohoapis.com","token_type":"Bearer","expires_in":3600}',
    tokens('1000.8ecdbba14d', {
      refresh: '1000.f6ccd7c1',
      in: 3600,
      scopes: ['ZohoCRM.modules.ALL', 'ZohoCRM.settings.ALL'],
      raw: { api_domain: 'https://www.zohoapis.com' },
    }),
  ],
  [
    'Zoho of old, seconds by another name',
    '{"access_token":"1000.9","expires_in_sec":3600,"api_domain":"https://www.zohoapis.com","token_type":"Bearer","expires_in":3600000}',
    tokens('1000.9', { in: 3600 }),
    { note: 'expires_in is in milliseconds beside expires_in_sec' },
  ],
  [
    'Zoom',
    '{"access_token":"eyJ.zo","token_type":"bearer","refresh_token":"eyJ.zr","expires_in":3599,"scope":"user:read:user","api_url":"https://api.zoom.us"}',
    tokens('eyJ.zo', {
      refresh: 'eyJ.zr',
      in: 3599,
      scopes: ['user:read:user'],
      raw: { api_url: 'https://api.zoom.us' },
    }),
  ],
]
