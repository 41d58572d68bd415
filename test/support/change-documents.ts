// The README's table of what the change feed tells, written from the schemas that every change is checked by. Pure.
import { z } from 'zod';
import { changeSchemas } from '../../src/core/change-schemas.ts';

/** Optional members that many changes have: said once, below the table. */
const common: ReadonlyMap<string, string> = new Map(
  Object.entries({
    syncId: 'the sync that brought it',
    source: '`sweep`: no webhook said so, a list of Lean did',
    renormalized: 'a new version has read the stored text anew',
  }),
);

const documentSchema = z.object({
  properties: z.record(z.string(), z.object({ description: z.string() })),
  required: z.array(z.string()).default([]),
});

export function changesTable(): string {
  const changes = Map.groupBy(Object.entries(changeSchemas), ([, { details }]) => details);
  const rows = [...changes].map(([details, alike]) => {
    const told = alike.map(([name, { version, means }]) => `\`${name}\` (${version}): ${means}`);
    return `| ${told.join('<br>')} | ${membersOf(details)} |`;
  });
  const said = [...common].map(([name, description]) => `* \`${name}?\`: ${description}`);
  const after = ['', 'A `?` says that a member may be missing. In many changes:', '', ...said];
  return ['| change (version): when | `details` |', '|---|---|', ...rows, ...after].join('\n');
}

function membersOf(details: z.ZodType): string {
  const { properties, required } = documentSchema.parse(z.toJSONSchema(details));
  const described = Object.entries(properties).map(([name, { description }]) => {
    const isSaidBelow = !required.includes(name) && common.get(name) === description;
    const shown = `\`${name}${required.includes(name) ? '' : '?'}\``;
    return { shown, description: isSaidBelow ? null : description };
  });
  return [...Map.groupBy(described, ({ description }) => description)]
    .map(([description, members]) => {
      const names = members.map(({ shown }) => shown).join(', ');
      return description === null ? names : `${names}: ${description}`;
    })
    .join('; ');
}
