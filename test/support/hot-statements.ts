// The statements that a worker sends all day, by what they are for: so that none of them is missed without anybody
// noticing, and each is found among all that were sent. `S.` stands for the schema, names are without quotes.
export const hotStatements: Readonly<Record<string, RegExp>> = {
  'a batch is stored': /^\s*insert into S\.webhook_events as event/,
  'an event is read': /^select .* from S\.webhook_events where event_key = \$1/,
  'an event is concluded': /^update S\.webhook_events set state/,
  'the reconciler looks for events': /from S\.webhook_events\s+where concluded_at is null and updated_at <=/,
  'the reconciler looks for steps': /from S\.sync_steps as step\s+join S\.sync_runs/,
  'what sweeps are due': /from S\.sweep_progress where due_at <= now\(\)/,
  'what changes have no number': /from S\.changes where position is null\) as pending/,
  'changes are numbered': /row_number\(\) over \(order by change_id\)/,
  'transactions are stored': /^insert into S\.transactions /,
  'transactions are marked': /^update S\.transactions set superseded_at/,
  'a customer’s rows are found': /delete from S\.transactions /,
  'retention empties bodies': /update S\.webhook_events set body = null/,
  'retention forgets events': /delete from S\.webhook_events where event_key/,
  'retention forgets changes': /delete from S\.changes where change_id/,
  'what was asked for': /from S\.requests where .*due_at <= now\(\)/,
  'how much waits': /count\(\*\)::integer from \(select 1 from S\.webhook_events/,
};

/** As the patterns have it. */
export function plainText(text: string, schema: string): string {
  return text.replaceAll('"', '').replaceAll(schema, 'S');
}
