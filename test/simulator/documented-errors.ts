// Everything Lean documents to go wrong, one row each, in Lean's own words: HTTP errors, statuses inside HTTP 200 and the
// granular codes of FAILED. Each becomes a fault for the server; nothing here is invented but where it says so.
import type { Fault } from './lean-faults.ts';

export interface DocumentedError {
  readonly httpStatus: number;
  readonly status: string;
  readonly message: string;
}

/** docs.leantech.me/reference/general-errors; messages of the captures where there is one. */
export const documentedErrors: readonly DocumentedError[] = [
  {
    httpStatus: 400,
    status: 'INVALID_PARAMETERS',
    message:
      'The request is badly formatted or a parameter of the wrong type has been provided, field: entity_id.',
  },
  { httpStatus: 400, status: 'MISSING_PARAMETERS', message: 'A required parameter is missing.' },
  {
    httpStatus: 401,
    status: 'CERTIFICATE_TOKEN_MISMATCH',
    message: 'The certificate does not belong to the app token.',
  },
  { httpStatus: 403, status: 'INVALID_CERTIFICATE', message: 'The certificate is not valid.' },
  { httpStatus: 403, status: 'INCORRECT_ACCESS_LEVEL', message: 'The access level is not the right one.' },
  { httpStatus: 403, status: 'INSUFFICIENT_ACCESS_LEVEL', message: 'The access level does not suffice.' },
  {
    httpStatus: 403,
    status: 'CONSENT_EXPIRED',
    message:
      'Consent was suspended, revoked, or expired. New consent is required, please connect the entity once again.',
  },
  {
    httpStatus: 404,
    status: 'UNKNOWN_ENTITY',
    message: 'The entity_id provided did not match an account in our records.',
  },
  {
    httpStatus: 404,
    status: 'UNKNOWN_ACCOUNT',
    message: 'The account_id provided does not match an account with the entity_id provided.',
  },
  { httpStatus: 404, status: 'INVALID_URL', message: 'No such endpoint.' },
  {
    httpStatus: 404,
    status: 'UNKNOWN_RESULTS_ID',
    message: 'The results_id provided has not been recognized by Lean or has not been processed yet',
  },
  { httpStatus: 405, status: 'INVALID_HTTP_METHOD', message: 'Method not allowed.' },
  {
    httpStatus: 409,
    status: 'CUSTOMER_ALREADY_EXISTS',
    message: 'A customer already exists for the app_user_id you have provided.',
  },
  { httpStatus: 429, status: 'RATE_LIMIT_EXCEEDED', message: 'Too many requests.' },
  { httpStatus: 429, status: 'DUPLICATED_REQUEST', message: 'Data refresh is already pending.' },
  {
    httpStatus: 500,
    status: 'INTERNAL_SERVER_ERROR',
    message: 'Something has gone wrong. If you continue to see this error, please get in touch with Lean.',
  },
];

/** docs.leantech.me/reference/data-errors: why a bank call FAILED, under HTTP 200. */
export const granularStatusCodes = [
  'BANK_ISSUE',
  'BANK_MAINTENANCE',
  'UNSEEN_BANK_ERROR',
  'LEAN_ERROR',
  'LOGGED_IN_ELSEWHERE',
  'ACTIVE_SESSION_EXISTS',
  'DUPLICATED_REQUEST',
  'DISABLED_BY_LEAN',
  'DISABLED_BY_CLIENT',
  'EU_ACCOUNT_LOCKED',
  'EU_FUNCTIONALITY_RESTRICTED',
  'KNOWN_UNSUPPORTED_MFA_BEHAVIOUR',
  'KNOWN_TRAFFIC_OUTSIDE_ALLOWED_REGION',
] as const;

/** Statuses under HTTP 200, besides OK. */
export const resultStatuses = [
  'PENDING',
  'FAILED',
  'CONSENT_EXPIRED',
  'RECONNECT_REQUIRED',
  'PROCESSING_STARTED',
] as const;

/** A documented HTTP error as a fault. Throws where it is not documented. */
export function documentedError(status: string): Fault {
  const found = documentedErrors.find((error) => error.status === status);
  if (!found) throw new Error(`Lean documents no error ${status}`);
  return { kind: 'error', ...found };
}

export interface NamedFault {
  readonly name: string;
  readonly fault: Fault;
}

/** One fault for every row of Lean's errors, and for what the network in front of it does. */
export const everyDocumentedFault: readonly NamedFault[] = [
  ...documentedErrors.map(({ httpStatus, status }) => ({
    name: `${httpStatus} ${status}`,
    fault: documentedError(status),
  })),
  ...granularStatusCodes.map((granularStatusCode) => ({
    name: `200 FAILED ${granularStatusCode}`,
    fault: { kind: 'failed', granularStatusCode } as const,
  })),
  {
    name: '200 FAILED without data',
    fault: { kind: 'failed', granularStatusCode: 'BANK_ISSUE', data: 'absent' },
  },
  { name: '200 PENDING', fault: { kind: 'pending', httpStatus: 200 } },
  { name: '202 PENDING', fault: { kind: 'pending', httpStatus: 202 } },
  { name: '200 CONSENT_EXPIRED', fault: { kind: 'status', status: 'CONSENT_EXPIRED' } },
  { name: '200 PROCESSING_STARTED', fault: { kind: 'status', status: 'PROCESSING_STARTED' } },
  { name: '200 RECONNECT_REQUIRED', fault: { kind: 'reconnect-required' } },
  { name: '502', fault: { kind: 'gateway', httpStatus: 502 } },
  { name: '503', fault: { kind: 'gateway', httpStatus: 503 } },
  { name: '504', fault: { kind: 'gateway', httpStatus: 504 } },
];

/** The consents API of Saudi Arabia words its errors otherwise. */
export function consentsApiError(httpStatus: number, message: string): Fault {
  return { kind: 'reply', httpStatus, body: JSON.stringify({ status_code: httpStatus, message }) };
}
