// What providers of East Asia and Russia send, yes and no: many of them answer everything with 200 and codes of their own.
// By their documentation and public reports; the tokens are made up.
import { type Case, refused, renewal, tokens } from './outcome.ts'

export const easternAnswers: readonly Case[] = [
  [
    'Alipay',
    '{"alipay_system_oauth_token_response":{"user_id":"2088","access_token":"publicpBa","expires_in":"300","refresh_token":"20120823","re_expires_in":"300"},"sign":"ERITJKEIJKJHKKKKKKKHJEREEEEEEEEEEE"}',
    tokens('publicpBa', { refresh: '20120823', in: 300 }),
  ],
  [
    'Alipay, an error',
    '{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.code-invalid","sub_msg":"the code is invalid"},"sign":"E"}',
    refused(200, '40002', 'Invalid Arguments', 'ours'),
    { request: 'refresh_token' },
  ],
  [
    'Alipay, an error in the envelope of a success',
    '{"alipay_system_oauth_token_response":{"code":"20000","msg":"Service Currently Unavailable","sub_code":"isp.unknow-error"},"sign":"E"}',
    refused(200, '20000', 'Service Currently Unavailable', 'later'),
  ],
  [
    'Baidu',
    '{"access_token":"1.a6b7dbd428f731035f771b8d15063f61.86400.1292922000-2346678-124328","expires_in":86400,"refresh_token":"2.385d","scope":"basic email","session_key":"ANXxSNjwQDugf8615OnqeikRMu2bKaXCdlLxn","session_secret":"248APxvxjCZ0VEC43EYrvxqaK4oZExMB"}',
    tokens('1.a6b7dbd428f731035f771b8d15063f61.86400.1292922000-2346678-124328', {
      refresh: '2.385d',
      in: 86_400,
      scopes: ['basic', 'email'],
    }),
  ],
  [
    'Baidu, an error',
    '{"error":"expired_token","error_description":"refresh token has been used"}',
    refused(400, 'expired_token', 'refresh token has been used', 'dead'),
    renewal,
  ],
  [
    'DingTalk',
    '{"expireIn":7200,"accessToken":"dt","refreshToken":"dtr","corpId":"corpxxxx"}',
    tokens('dt', { refresh: 'dtr', in: 7200 }),
  ],
  [
    'DingTalk, an error',
    '{"code":"invalidParameter.authCode.notFound","requestid":"ABCD","message":"The authCode was not found."}',
    refused(400, 'invalidParameter.authCode.notFound', 'The authCode was not found.', 'dead'),
  ],
  [
    'DingTalk of old',
    '{"errcode":0,"access_token":"96fc7a7axxx","errmsg":"ok","expires_in":7200}',
    tokens('96fc7a7axxx', { in: 7200 }),
  ],
  [
    'R18 Douban',
    '{"access_token":"a14afef0f66fcffce3e0fcd2e34f6ff4","expires_in":3920,"refresh_token":"5d633d136b6d56a41829b73a424803ec","douban_user_id":"1221"}',
    tokens('a14afef0f66fcffce3e0fcd2e34f6ff4', { refresh: '5d633d136b6d56a41829b73a424803ec', in: 3920 }),
  ],
  [
    'R18 Douban, renewed',
    '{"access_token":"b","expires_in":3920,"refresh_token":"r9","douban_user_id":"1221","douban_user_name":"ada"}',
    tokens('b', { refresh: 'r9', in: 3920 }),
    renewal,
  ],
  [
    'Douban, an error',
    '{"code":103,"msg":"invalid_authorization_code","request":"POST /auth2/token"}',
    refused(400, 'invalid_authorization_code', 'invalid_authorization_code', 'dead'),
    { note: 'a word says more than a number' },
  ],
  [
    'Douyin',
    '{"data":{"access_token":"dy","captcha":"","desc_url":"","description":"","error_code":0,"expires_in":1296000,"log_id":"2","open_id":"o","refresh_expires_in":2592000,"refresh_token":"dyr","scope":"user_info"},"message":"success"}',
    tokens('dy', { refresh: 'dyr', in: 1_296_000, scopes: ['user_info'] }),
  ],
  [
    'Douyin, an error',
    '{"data":{"description":"code is expired","error_code":10007},"message":"error"}',
    refused(200, '10007', 'code is expired', 'dead'),
  ],
  [
    'Feishu v3',
    '{"code":0,"access_token":"eyJ.f","expires_in":7200,"refresh_token":"eyJ.fr","refresh_token_expires_in":604800,"scope":"auth:user.id:read offline_access","token_type":"Bearer"}',
    tokens('eyJ.f', { refresh: 'eyJ.fr', in: 7200, scopes: ['auth:user.id:read', 'offline_access'] }),
  ],
  [
    'Feishu v1, nested',
    '{"code":0,"msg":"success","data":{"access_token":"u-6U1SbDiM6XIH2DcTCPyeub","token_type":"Bearer","expires_in":7140,"name":"zhangsan","open_id":"ou_1","refresh_token":"ur-t9HHgRCjMqGqIU9v05Zhos","refresh_expires_in":2591940}}',
    tokens('u-6U1SbDiM6XIH2DcTCPyeub', { refresh: 'ur-t9HHgRCjMqGqIU9v05Zhos', in: 7140 }),
  ],
  [
    'Feishu, for the application',
    '{"app_access_token":"t-g1044ghJRUIJJ5ZPPZMOHKWZISL33E4QSS3abcef","code":0,"expire":7200,"msg":"ok","tenant_access_token":"t-g1044ghJRUIJJ5ZPPZMOHKWZISL33E4QSS3abcef"}',
    tokens('t-g1044ghJRUIJJ5ZPPZMOHKWZISL33E4QSS3abcef', { in: 7200 }),
  ],
  [
    'Feishu, an error',
    '{"code":20037,"msg":"the refresh token passed has expired. Please generate a new one."}',
    refused(200, '20037', 'the refresh token passed has expired. Please generate a new one.', 'dead'),
    renewal,
  ],
  [
    'Feishu v3, an error',
    '{"code":20050,"error":"server_error","error_description":"An unexpected server error occurred. Please retry your request."}',
    refused(500, 'server_error', 'An unexpected server error occurred. Please retry your request.', 'later'),
  ],
  [
    'Huawei',
    '{"token_type":"Bearer","access_token":"DAEAAM/HZo9VLf==","scope":"openid profile","expires_in":3600,"refresh_token":"DQEBAIF+s==","id_token":"eyJ.h"}',
    tokens('DAEAAM/HZo9VLf==', {
      refresh: 'DQEBAIF+s==',
      id: 'eyJ.h',
      in: 3600,
      scopes: ['openid', 'profile'],
    }),
  ],
  [
    'Huawei, an error',
    '{"sub_error":20155,"error_description":"invalid code","error":1101}',
    refused(400, '1101', 'invalid code', 'dead'),
  ],
  [
    'Kakao',
    '{"access_token":"ka","token_type":"bearer","refresh_token":"kar","expires_in":43199,"scope":"account_email profile","refresh_token_expires_in":25184000}',
    tokens('ka', { refresh: 'kar', in: 43_199, scopes: ['account_email', 'profile'] }),
  ],
  [
    'Kakao, an error',
    '{"error":"invalid_grant","error_description":"expired_or_invalid_refresh_token","error_code":"KOE322"}',
    refused(400, 'invalid_grant', 'expired_or_invalid_refresh_token', 'dead'),
    renewal,
  ],
  [
    'LINE',
    '{"access_token":"bNl4YEFPI/hjFWhTqexp4MuEw5YPs","expires_in":2592000,"id_token":"eyJ.l","refresh_token":"Aa1FdeggRhTnPNNpxr8p","scope":"profile openid","token_type":"Bearer"}',
    tokens('bNl4YEFPI/hjFWhTqexp4MuEw5YPs', {
      refresh: 'Aa1FdeggRhTnPNNpxr8p',
      id: 'eyJ.l',
      in: 2_592_000,
      scopes: ['profile', 'openid'],
    }),
  ],
  [
    'LINE, an error',
    '{"error":"invalid_grant","error_description":"invalid authorization code"}',
    refused(400, 'invalid_grant', 'invalid authorization code', 'dead'),
  ],
  [
    'Mail.ru',
    '{"expires_in":3600,"access_token":"mr","refresh_token":"mrr"}',
    tokens('mr', { refresh: 'mrr', in: 3600 }),
  ],
  [
    'Mail.ru, an error',
    '{"error":"invalid_request","error_code":3,"error_description":"invalid client id"}',
    refused(400, 'invalid_request', 'invalid client id', 'ours'),
  ],
  [
    'Naver',
    '{"access_token":"AAAAQosjWDJieBiQZc3to9YQp6HDLvrmyKC+6+iZ3gq7qrkqf50ljZC+Lgoqrg","refresh_token":"c8ceMEJisO4Se7uGisHoX0f5JEii7JnipglQipkOn5Zp3tyP7dHQoP0zNKHUq2gY","token_type":"bearer","expires_in":"3600"}',
    tokens('AAAAQosjWDJieBiQZc3to9YQp6HDLvrmyKC+6+iZ3gq7qrkqf50ljZC+Lgoqrg', {
      refresh: 'c8ceMEJisO4Se7uGisHoX0f5JEii7JnipglQipkOn5Zp3tyP7dHQoP0zNKHUq2gY',
      in: 3600,
    }),
  ],
  [
    'Naver, an error with 200',
    '{"error":"invalid_request","error_description":"no valid data in session"}',
    refused(200, 'invalid_request', 'no valid data in session', 'ours'),
  ],
  [
    'Odnoklassniki',
    '{"access_token":"ok1","token_type":"session","refresh_token":"okr","expires_in":"1800"}',
    tokens('ok1', { refresh: 'okr', in: 1800 }),
  ],
  [
    'Odnoklassniki, an error',
    '{"error_code":102,"error_msg":"PARAM_SESSION_EXPIRED : Session expired","error_data":null}',
    refused(200, '102', 'PARAM_SESSION_EXPIRED : Session expired', 'ours'),
    { note: 'the session of an API call, and not clearly the grant' },
  ],
  [
    'QQ, by default a form',
    'access_token=FE04************************CCE2&expires_in=7776000&refresh_token=88E4************************BE14',
    tokens('FE04************************CCE2', {
      refresh: '88E4************************BE14',
      in: 7_776_000,
    }),
    { headers: { 'content-type': 'text/html' } },
  ],
  [
    'QQ, a call around an error',
    'callback( {"error":100020,"error_description":"code is reused error"} );\n',
    refused(200, '100020', 'code is reused error', 'ours'),
    { headers: { 'content-type': 'text/html' }, request: 'refresh_token' },
  ],
  [
    'QQ, JSON',
    '{"access_token":"FE04CCE2","expires_in":"7776000","refresh_token":"88E4BE14","openid":"O"}',
    tokens('FE04CCE2', { refresh: '88E4BE14', in: 7_776_000 }),
  ],
  [
    'QQ, an error as a form',
    'code=100001&msg=param+client_id+is+wrong+or+lost',
    refused(200, '100001', 'param client_id is wrong or lost', 'ours'),
  ],
  [
    'VK, an error',
    '{"error":"invalid_grant","error_description":"Code is invalid or expired."}',
    refused(401, 'invalid_grant', 'Code is invalid or expired.', 'dead'),
  ],
  [
    'VK, an error of the API',
    '{"error":{"error_code":5,"error_msg":"User authorization failed: invalid access_token (4).","request_params":[{"key":"v","value":"5.131"}]}}',
    refused(200, '5', 'User authorization failed: invalid access_token (4).', 'ours'),
    renewal,
  ],
  [
    'VK ID',
    '{"refresh_token":"vk2.r","access_token":"vk2.a","id_token":"eyJ.v","token_type":"Bearer","expires_in":3600,"user_id":1234567890,"state":"s","scope":"vkid.personal_info email"}',
    tokens('vk2.a', { refresh: 'vk2.r', id: 'eyJ.v', in: 3600, scopes: ['vkid.personal_info', 'email'] }),
  ],
  [
    'WeChat',
    '{"access_token":"74_x","expires_in":7200,"refresh_token":"74_r","openid":"OPENID","scope":"snsapi_userinfo","is_snapshotuser":1,"unionid":"UNIONID"}',
    tokens('74_x', { refresh: '74_r', in: 7200, scopes: ['snsapi_userinfo'], raw: { openid: 'OPENID' } }),
    { headers: { 'content-type': 'text/plain' } },
  ],
  [
    'WeChat, a code that was used',
    '{"errcode":40163,"errmsg":"code been used, rid: 6"}',
    refused(200, '40163', 'code been used, rid: 6', 'dead'),
    { headers: { 'content-type': 'text/plain' } },
  ],
  [
    'WeChat, a refresh token that ended',
    '{"errcode":42002,"errmsg":"refresh_token expired"}',
    refused(200, '42002', 'refresh_token expired', 'dead'),
    renewal,
  ],
  [
    'WeChat, busy',
    '{"errcode":-1,"errmsg":"system error, system busy"}',
    refused(200, '-1', 'system error, system busy', 'later'),
    renewal,
  ],
  [
    'WeChat Work',
    '{"errcode":0,"errmsg":"ok","access_token":"accesstoken000001","expires_in":7200}',
    tokens('accesstoken000001', { in: 7200 }),
  ],
  [
    'R18 Weibo',
    '{"access_token":"2.00ihtDxBNGp9qC","remind_in":"157679999","expires_in":157679999,"uid":"1404376560","isRealName":"true"}',
    tokens('2.00ihtDxBNGp9qC', { in: 157_679_999 }),
  ],
  [
    'Weibo, an error',
    '{"error":"invalid_grant","error_code":21325,"request":"/oauth2/access_token","error_uri":"/oauth2/access_token","error_description":"invalid authorization code:x"}',
    refused(400, 'invalid_grant', 'invalid authorization code:x', 'dead'),
  ],
  [
    'Weibo, an expired token',
    '{"error":"expired_token","error_code":21327,"request":"/2/x.json"}',
    refused(403, 'expired_token', undefined, 'dead'),
  ],
  [
    'Xiaomi',
    '&&&START&&&{"access_token":"V3_x","expires_in":7776000,"scope":"1 3","token_type":"mi","mac_algorithm":"HmacSha1","mac_key":"k","openId":"2.0","refresh_token":"R3"}',
    tokens('V3_x', { refresh: 'R3', in: 7_776_000, scopes: ['1', '3'] }),
  ],
  [
    'Xiaomi, signed tokens',
    '&&&START&&&{"access_token":"V3_x","token_type":"mac","mac_key":"k"}',
    { kind: 'junk', status: 200, code: 'token_invalid' },
  ],
  [
    'Xiaomi, an error',
    '&&&START&&&{"error_description":"code is invalid","error":96013}',
    refused(200, '96013', 'code is invalid', 'dead'),
  ],
  [
    'Yandex',
    '{"token_type":"bearer","access_token":"AQAAAACy1C6ZAAAAfa6vDLuItEy8pg-iIpnDxIs","expires_in":124234123534,"refresh_token":"1:GN686QVt0mmakDd9:A4pYuW9LGk0_UnlrMIWklkAuJkUWbq27loFekJVmSYrdfzdePBy7:A-2dHOmBxiXgajnD-kYOwQ","scope":"login:info login:email"}',
    tokens('AQAAAACy1C6ZAAAAfa6vDLuItEy8pg-iIpnDxIs', {
      refresh:
        '1:GN686QVt0mmakDd9:A4pYuW9LGk0_UnlrMIWklkAuJkUWbq27loFekJVmSYrdfzdePBy7:A-2dHOmBxiXgajnD-kYOwQ',
      in: 124_234_123_534,
      scopes: ['login:info', 'login:email'],
    }),
    { note: 'the number of the documentation: 3937 years are no instant' },
  ],
  [
    'Yandex, an error',
    '{"error_description":"Code has expired","error":"invalid_grant"}',
    refused(400, 'invalid_grant', 'Code has expired', 'dead'),
  ],
]
