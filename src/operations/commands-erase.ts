// `npm run ops -- erase CUSTOMER_ID`: everything of one customer, for good. Names nobody in what it writes or logs.
import { textTable } from '../core/text-table.ts';
import { readDatabaseTime } from '../store/database-time.ts';
import { eraseCustomer, previewErasure, type ErasedCustomer } from '../store/erase-customer.ts';
import { changeFlags, changeOptions, mayChange, operatorOf } from './operator-change.ts';
import {
  onlyOperand,
  type CommandCall,
  type CommandGroup,
  type OperatorContext,
} from './operator-command.ts';
import { withOwnDatabase } from './operator-database.ts';
import { counted, safeJson } from './operator-output.ts';

export const eraseCommands: CommandGroup = {
  erase: {
    usage: 'erase CUSTOMER_ID',
    does: 'deletes all rows of a customer and keeps out what still comes for them; cannot be undone',
    options: changeOptions,
    flags: changeFlags,
    run: runErase,
  },
};

/** The exit code: 1 when nothing was there. The erasure is recorded then too: events may still be on their way. */
async function runErase(call: CommandCall, context: OperatorContext): Promise<number> {
  const customerId = onlyOperand(call, 'customer id');
  const isDry = call.flags.has('dry-run');
  const operator = isDry ? '' : operatorOf(call, context);
  return withOwnDatabase(context, async (database) => {
    const found = await previewErasure(database, customerId);
    const count = countOf(found);
    if (!call.json) say(context, found);
    if (isDry) {
      if (call.json) context.write(safeJson({ dryRun: true, ...found }));
      return count > 0 ? 0 : 1;
    }
    if (!(await mayChange(call, context, `erase ${rowsText(count)} for good?`))) return 1;
    const { terminal } = context;
    const erased = await eraseCustomer(database, {
      customerId,
      now: await readDatabaseTime(database),
      operator,
      onProgress: (rows) => terminal?.showProgress(`erase: ${rows} of ${count} rows`),
    });
    terminal?.showProgress('');
    if (call.json) context.write(safeJson({ dryRun: false, ...erased }));
    else
      context.write(
        `erased: ${rowsText(countOf(erased))}; what still comes for them is dropped (CUSTOMER_ERASED)`,
      );
    return countOf(erased) > 0 ? 0 : 1;
  });
}

const rowsText = (count: number) => counted(count, ['row', 'rows']);
const countOf = ({ rows }: ErasedCustomer) => Object.values(rows).reduce((sum, count) => sum + count, 0);

function say({ write }: OperatorContext, { entities, rows }: ErasedCustomer): void {
  write(`entities: ${entities}`);
  write(textTable(Object.entries(rows).map(([table, count]) => ({ table, rows: String(count) }))));
}
