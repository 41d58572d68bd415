// Failure codes of connections and requests that a receiver refuses before there is a delivery. A part of failure-codes.ts,
// which says what the columns mean; a code is never renamed and never reused. Every refusal that a setting can cause is here.

export const connectionFailureTable = {
  ACCEPT_FAILED: {
    level: 'error',
    means:
      'A connection could not be taken from the system; the line names its word, EMFILE or ENFILE: no more files may be open.',
    cure: 'Raise the limit of open files of this process (LimitNOFILE, ulimit -n) or of the machine; each connection is one.',
  },
  BAD_REQUEST: {
    level: 'warn',
    means:
      'What came was no HTTP; it was answered 400. Where a proxy ends TLS, it sends TLS, or a PROXY header that nobody asked for.',
    cure: 'Nothing if a stranger knocked. If it comes from your proxy: let it speak plain HTTP where TLS_TERMINATION is not receiver, and send a PROXY header only with PROXY_PROTOCOL=on.',
  },
  GAVE_WAY: {
    level: 'warn',
    means:
      'A connection that had proven nothing was closed in favour of a newcomer, because there was no room for both.',
    cure: 'Nothing if it is rare; Lean proves itself at once. If it is not, shut strangers out in front of the receiver.',
  },
  HANDSHAKE_FAILED: {
    level: 'warn',
    means:
      "A TLS handshake failed before there was a certificate to judge; behind the code stands OpenSSL's word. ERR_SSL_WRONG_VERSION_NUMBER and ERR_SSL_HTTP_REQUEST: what came was no TLS.",
    cure: 'Nothing if a stranger knocked. If it comes from your load balancer: with PROXY_PROTOCOL=off it must send no PROXY header, and with TLS_TERMINATION=receiver it must pass TLS through and not end it.',
  },
  HEADERS_TOO_LARGE: {
    level: 'warn',
    means: 'The headers of a request were too large and were answered 431.',
    cure: 'Nothing if a stranger knocked. If it was Lean, a proxy in between adds too much: let it send no more than the certificate header.',
  },
  METHOD_NOT_ALLOWED: {
    level: 'warn',
    means: 'A request that was no POST came to WEBHOOK_PATH and was answered 405.',
    cure: "Nothing if a stranger knocked. Let a load balancer's health checks ask /readyz of the operations listener.",
  },
  NOT_FOUND: {
    level: 'warn',
    means: 'A request came to another path than WEBHOOK_PATH and was answered 404.',
    cure: "Nothing if a stranger knocked. If it was Lean, compare the URL in Lean's dashboard, and what a proxy makes of it, with WEBHOOK_PATH.",
  },
  PROXY_HEADER_INVALID: {
    level: 'error',
    means:
      'A connection from TRUSTED_PROXIES did not begin with a PROXY header, though PROXY_PROTOCOL=on demands one; it was closed without an answer, and Lean cannot get in this way.',
    cure: 'Let the load balancer send it (HAProxy send-proxy-v2, nginx proxy_protocol on, an NLB target group with proxy protocol v2), its health checks as well; or set PROXY_PROTOCOL=off.',
  },
  PROXY_HEADER_TIMEOUT: {
    level: 'warn',
    means:
      'A connection from TRUSTED_PROXIES sent no whole PROXY header in time, though PROXY_PROTOCOL=on demands one; it was closed.',
    cure: 'As PROXY_HEADER_INVALID. If others pass through the same load balancer, it was a connection on which nobody spoke.',
  },
  PROXY_NOT_TRUSTED: {
    level: 'warn',
    means:
      'With PROXY_PROTOCOL=on a connection came from an address outside TRUSTED_PROXIES; it was closed without an answer.',
    cure: "Nothing if a stranger knocked. If the line's remote_address is your load balancer's, add it to TRUSTED_PROXIES; if it is Lean's, switch off that the load balancer preserves client addresses, or PROXY_PROTOCOL.",
  },
  REQUEST_TIMEOUT: {
    level: 'warn',
    means: 'A request did not come to its end in time and was answered 408.',
    cure: 'Nothing if a stranger knocked. If it was Lean, it sends again; look for a proxy that holds bodies back, and at the network.',
  },
  TOO_MANY_CONNECTIONS: {
    level: 'warn',
    means: 'A newcomer was closed because every connection there may be is at work, or has proven itself.',
    cure: 'Add receivers. If they are all of one proxy, let it keep fewer connections open or close idle ones.',
  },
} as const;
