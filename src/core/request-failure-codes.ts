// The codes of what the application asks for, part of the one table in failure-codes.ts. A code is public: it is never
// renamed and never reused.

export const requestFailureTable = {
  ENTITY_CONNECTED_SINCE: {
    level: 'warn',
    means:
      'The application said that it has removed an entity of which Lean has told a newer connection; the entity stays as it is.',
    cure: 'Look at the entity at Lean. If it is gone there, ask again.',
  },
  ENTITY_REMOVED: {
    level: 'info',
    means:
      'The application has removed this entity at Lean; what was asked for it ended, and older news of it is not acted on.',
    cure: 'Nothing: only an entity.created or entity.reconnected dated after the removal brings it back.',
  },
  REFRESH_LIMIT_REACHED: {
    level: 'info',
    means:
      'Two refreshes of an entity were started within 24 hours; the next one waits until the first is a day old.',
    cure: 'Nothing. Data that Lean refreshes by itself is fetched meanwhile.',
  },
  REQUEST_FAILED: {
    level: 'error',
    means:
      'What the application asked for could not be carried out for a reason nobody expected; it is tried again.',
    cure: 'Read the request log lines for the cause.',
  },
  REQUEST_INVALID: {
    level: 'warn',
    means: 'A row of `requests` was not made by its functions: it names nobody, or repeats an open one.',
    cure: 'Ask by request_refresh, request_sync, request_erase and entity_removed only.',
  },
} as const;
