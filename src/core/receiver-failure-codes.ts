// Failure codes of deliveries that a receiver refuses. A part of failure-codes.ts, which says what the columns mean; a code
// is never renamed and never reused.

export const receiverFailureTable = {
  BODY_TOO_LARGE: {
    level: 'warn',
    means: 'A delivery was larger than BODY_LIMIT_BYTES and was refused with 413.',
    cure: 'Raise BODY_LIMIT_BYTES if the sender is Lean; Lean sends it again within three hours.',
  },
  CERTIFICATE_INVALID: {
    level: 'warn',
    means:
      'A client certificate was presented that does not verify against LEAN_CA_FILE, that LEAN_CRL_FILE revokes, or that no trusted proxy forwarded. The delivery was refused; Lean sends its own again for three hours.',
    cure: "Nothing if a stranger knocked. If it was Lean, the line's certificate_reason, or reason where the handshake failed, says what to mend: its chain, the lists, TRUSTED_PROXIES or the proxy's header.",
  },
  CERTIFICATE_NOT_LEAN: {
    level: 'warn',
    means:
      "A certificate of Lean's chain was presented, but it carries none of LEAN_CLIENT_NAMES. The delivery was refused with 403; Lean sends its own again for three hours.",
    cure: "Another customer of Lean knocked, or Lean renewed its certificate: compare certificate_names of the log line with Lean's documents, and add the new name or key to LEAN_CLIENT_NAMES.",
  },
  CERTIFICATE_REQUIRED: {
    level: 'warn',
    means:
      'A request came without a client certificate and was refused with 401, or in the handshake already.',
    cure: 'Nothing if a stranger knocked. If it was Lean, it does not present certificates to you: use VERIFY=signature.',
  },
  NOT_DURABLE: {
    level: 'error',
    means:
      'A delivery could not be made durable in time and was answered 503; Lean sends it again for three hours.',
    cure: "Look at the journal's disk: full, read-only or slow. Receiving resumes by itself.",
  },
  OVERLOADED: {
    level: 'error',
    means:
      'IN_FLIGHT_LIMIT or 90 % of JOURNAL_LIMIT_BYTES was reached and a request was answered 503; overload_reason says which.',
    cure: 'JOURNAL_FULL: look at the way to Redis and at the workers, the journal drains when they run. NO_PLACE_LEFT: add receivers. GAVE_WAY and PIPELINED: strangers, who cost no delivery of Lean; shut them out in front of the receiver.',
  },
  SIGNATURE_INVALID: {
    level: 'warn',
    means:
      'The lean-signature header does not match the body under any secret of LEAN_WEBHOOK_SECRET. The delivery was refused with 401; Lean sends its own again for three hours.',
    cure: "Nothing if a stranger knocked. If every delivery fails, copy the secret from Lean's dashboard again.",
  },
  SIGNATURE_MISSING: {
    level: 'warn',
    means: 'A request came without a lean-signature header and was refused with 401.',
    cure: 'Nothing if a stranger knocked. A proxy in between may strip the header.',
  },
} as const;
