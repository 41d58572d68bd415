// Failure codes of everything that comes from Lean: webhook bodies and replies. A part of failure-codes.ts, which
// says what the columns mean; a code is never renamed and never reused.

export const leanFailureTable = {
  // Webhook bodies that cannot be dispatched
  EVENT_BODY_CONFLICT: {
    level: 'error',
    means:
      'Lean sent two different bodies under one event id; the second is kept in quarantine beside the first.',
    cure: 'Find both in webhook_events by the event id and report it to Lean.',
  },
  EVENT_NOT_JSON: {
    level: 'warn',
    means: 'An authentic delivery is not UTF-8 JSON; its bytes are kept in quarantine.',
    cure: "Find it in webhook_events by its state 'quarantined'; a proxy in between may have changed the body.",
  },
  EVENT_NOT_OBJECT: {
    level: 'warn',
    means: 'An authentic delivery is JSON, but not an object; it is kept in quarantine.',
    cure: "Find it in webhook_events by its state 'quarantined' and ask Lean what it means.",
  },
  EVENT_PAYLOAD_INVALID: {
    level: 'error',
    means:
      "The payload of a known event type lacks what its handler needs, such as the entity's id; the event is kept in quarantine.",
    cure: "Find it in webhook_events by its state 'quarantined'; Lean may have changed the event.",
  },
  EVENT_TOO_DEEP: {
    level: 'warn',
    means:
      'An authentic delivery nests deeper than 64 levels and was not parsed; its bytes are kept in quarantine.',
    cure: "Look at its bytes with `npm run ops -- quarantine show KEY --body`; no event of Lean's is like that. Then discard it.",
  },
  EVENT_WITHOUT_TYPE: {
    level: 'warn',
    means:
      "An authentic delivery has no usable type, as Lean's callbacks of 2020 had none; it is kept in quarantine.",
    cure: 'Nothing when it is an old callback; otherwise ask Lean.',
  },
  PAYLOAD_NOT_JSON: {
    level: 'warn',
    means: 'A text that should be JSON is not; it was not read any further.',
    cure: 'The line beside it says where the text came from.',
  },
  PAYLOAD_TOO_DEEP: {
    level: 'warn',
    means: 'A JSON text nests deeper than 64 levels and was not parsed any further.',
    cure: 'The line beside it says where the text came from.',
  },

  // Lists
  TRANSACTION_IMMUTABLE_CHANGED: {
    level: 'error',
    means:
      'A transaction that the bank had called IMMUTABLE says something else now; the former version is kept.',
    cure: "Compare the two in transaction_versions (mutability 'IMMUTABLE', changed_columns) and ask the bank through Lean.",
  },

  // Calls to Lean
  CERTIFICATE_TOKEN_MISMATCH: {
    level: 'error',
    means:
      'Lean says that our client certificate does not belong to LEAN_APP_TOKEN. What is due is asked for again until it does, for up to a day.',
    cure: 'Give LEAN_CERT_FILE and LEAN_APP_TOKEN of the same application.',
  },
  CONSENT_EXPIRED: {
    level: 'info',
    means:
      "The customer's consent has ended; nothing more is fetched for the entity, which is action_required, and the feed says so.",
    cure: 'The application brings the customer back to connect again.',
  },
  LEAN_ACCESS_DENIED: {
    level: 'error',
    means:
      'Lean refused our credentials or our level of access (401 or 403). What is due is asked for again for up to a day; a sweep that is refused is asked for again later.',
    cure: 'Compare LEAN_APP_TOKEN, LEAN_ENVIRONMENT and LEAN_REGION with the dashboard; ask Lean for the access level.',
  },
  LEAN_ACCOUNT_UNKNOWN: {
    level: 'warn',
    means: 'Lean does not know the account any more; its list was given up, and what is stored of it stays.',
    cure: 'Nothing: the next list of accounts says whether it is gone.',
  },
  LEAN_BANK_DISABLED: {
    level: 'warn',
    means: 'Lean has closed this bank for now; calls for it wait.',
    cure: 'Nothing: it is tried again, and Lean says when the bank is back.',
  },
  LEAN_BANK_DISABLED_BY_US: {
    level: 'error',
    means:
      'This bank is switched off in our dashboard; what is due there is asked for again for up to a day.',
    cure: "Switch it on in Lean's dashboard, or leave it.",
  },
  LEAN_BANK_ISSUE: {
    level: 'warn',
    means: 'The bank behind Lean is in trouble; it is tried again later.',
    cure: 'Nothing, unless one bank fails for a day: then ask Lean.',
  },
  LEAN_BANK_UNSUPPORTED: {
    level: 'error',
    means:
      'Lean knows that this does not work at this bank, or not from where we call; what is due there is asked for again for up to a day, the others go on.',
    cure: 'Ask Lean, with the correlation id of the log line.',
  },
  LEAN_CALL_ABORTED: {
    level: 'info',
    means: 'A call to Lean was given up by ourselves, at shutdown.',
    cure: 'Nothing: it is made again.',
  },
  LEAN_CALL_UNSUPPORTED: {
    level: 'error',
    means: 'The v1 dialect has no such call; nothing was sent.',
    cure: 'Set LEAN_API_VERSION=v2, or take the kind of data out of SYNC_DATA.',
  },
  LEAN_CERTIFICATE_REFUSED: {
    level: 'error',
    means: 'Lean refused our client certificate. What is due is asked for again for up to a day.',
    cure: 'See whether it expired or was revoked; issue a new one in the dashboard.',
  },
  LEAN_DUPLICATED_REQUEST: {
    level: 'info',
    means: 'Lean is already working on the same request; it is asked again in about a minute.',
    cure: 'Nothing.',
  },
  LEAN_ENTITY_UNKNOWN: {
    level: 'warn',
    means:
      'Lean does not know the entity, or not as ours; its sync was ended, it counts as ended, and what is stored stays.',
    cure: 'Nothing: the customer has removed it, or the event was not meant for us.',
  },
  LEAN_ID_INVALID: {
    level: 'error',
    means: "An id that should go into a URL has characters no id of Lean's has; no call was made with it.",
    cure: 'Look at the event it came from.',
  },
  LEAN_MATERIAL_INVALID: {
    level: 'error',
    means:
      'Our client certificate, its key or LEAN_CA_FILE cannot be used; the start was stopped, and at a reload the former ones stay in use.',
    cure: 'Check that LEAN_CERT_FILE and LEAN_KEY_FILE are a pair.',
  },
  LEAN_RATE_LIMITED: {
    level: 'warn',
    means: 'Lean answered 429; all workers pause.',
    cure: 'Lower LEAN_RATE_LIMIT_PER_SECOND if it repeats.',
  },
  LEAN_REPLY_TOO_LARGE: {
    level: 'error',
    means: "A reply of Lean's was larger than 32 MiB and was not read.",
    cure: 'Report it to Lean with the correlation id of the log line.',
  },
  LEAN_REPLY_UNREADABLE: {
    level: 'warn',
    means:
      "A reply of Lean's could not be read: not JSON, or without the list it should hold. Nothing of it was stored; the call is repeated.",
    cure: 'Nothing unless it repeats; then Lean has changed its replies.',
  },
  LEAN_REQUEST_REFUSED: {
    level: 'error',
    means: 'Lean refused a request as wrong (4xx); it was given up, and the other lists go on.',
    cure: 'This is a fault of this service or of LEAN_API_URL: report it with the correlation id.',
  },
  LEAN_RESULTS_UNKNOWN: {
    level: 'info',
    means: 'Lean does not know the results yet; they are asked for again.',
    cure: 'Nothing.',
  },
  LEAN_SERVER_ERROR: {
    level: 'warn',
    means: 'Lean answered 5xx; the call is repeated.',
    cure: "Nothing, unless it goes on: see Lean's status page.",
  },
  LEAN_TIMEOUT: {
    level: 'warn',
    means: 'Lean did not answer in time; the call is repeated.',
    cure: "Nothing, unless it goes on: see Lean's status page.",
  },
  LEAN_TOKEN_REFUSED: {
    level: 'error',
    means:
      "Lean's auth host gives no token for LEAN_APP_TOKEN and LEAN_CLIENT_SECRET. Nothing is fetched meanwhile; it is asked again.",
    cure: 'Compare both with the dashboard: a new secret ends the former one. The file of the secret is read again within 30 s.',
  },
  LEAN_UNREACHABLE: {
    level: 'warn',
    means: 'Lean could not be reached: DNS, connection or TLS. The call is repeated for up to a day.',
    cure: 'Check the way out, LEAN_API_URL and LEAN_CA_FILE.',
  },
  LEAN_USER_ACTION_REQUIRED: {
    level: 'info',
    means:
      'The customer must act at the bank first, such as unlocking the account; the entity is action_required and the feed says so.',
    cure: 'The application tells the customer.',
  },
  RECONNECT_REQUIRED: {
    level: 'info',
    means:
      'The customer must connect to the bank again; nothing more is fetched until then, the entity is action_required and the feed says so.',
    cure: "The application opens Lean's reconnect with the entity's reconnect_id.",
  },
} as const;
