// The names under which providers put an error's code and its description, and the values that mean that there is none.
// RFC 6749 section 5.2 knows `error` and `error_description`; a name here stands for each of its spellings.

/** Values of an error field that mean "no error", as WeChat, TikTok and others send beside a good token. */
export const noError: ReadonlySet<string> = new Set([
  ...['', '0', '00', '000', '0000', '00000', '200', '-', 'ok', 'okay', 'success', 'succeeded', 'successful'],
  ...['none', 'null', 'nil', 'undefined', 'false', 'no', 'n/a', 'no_error', 'no error', 'noerror'],
])

/** An error in any form: text, number, `true`, object, list. */
export const errorFields = ['error', 'errors', 'error_response', 'fault', 'exception'] as const

/** A code in one of these refuses even beside a token. */
export const strictCodeFields = ['errcode', 'error_code', 'err_no', 'errno', 'ECODE', 'error_type'] as const

/** A code in one of these refuses when there is no token. */
export const codeFields = [
  ...strictCodeFields,
  ...['error_id', 'code', 'status_txt', 'ret_code', 'result_code'],
] as const

/** Too common to mean anything unless a description stands beside them. */
export const weakCodeFields = ['name', 'status', 'type', 'id'] as const

/** Codes inside an error object. Words before numbers: `{ "type": "OAuthException", "code": 190 }` is an OAuthException. */
export const objectCodeFields = [
  ...['.tag', 'error', 'error_type', 'type', 'code', 'error_code'],
  ...['status', 'error_id', 'errno', 'name', 'id'],
] as const

/** A sentence about it. */
export const descriptionFields = [
  ...['error_description', 'error_message', 'error_msg', 'errmsg', 'err_msg'],
  ...['error_summary', 'error_detail'],
  ...['message', 'msg', 'detail', 'details', 'description', 'desc', 'reason', 'title', 'hint', 'sub_msg'],
  ...['faultstring', 'err_tips', 'status_message', 'developer_message', 'error_reason', 'error_desc'],
  ...['response', 'err'],
] as const

/** Where an error may be nested, when there is no token. */
export const errorPlaces = [
  ...['meta', 'data', 'status', 'detail', 'response', 'body', 'result', 'error_info', 'base_resp', 'header'],
  ...['payload', 'extra'],
] as const
