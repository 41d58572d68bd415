// The customers a developer's stories have made so far, kept as a few facts in one file: the same facts always give the
// same data, so a later story acts on the entity of an earlier one.
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { generateCustomers, refreshEntity, type SimulatedCustomers } from './customers.ts';
import { createRandom } from './random.ts';

const stateSchema = z.strictObject({
  seed: z.string(),
  entities: z.array(
    z.strictObject({
      linkedAt: z.iso.datetime(),
      refreshes: z.array(z.strictObject({ refreshId: z.string(), at: z.iso.datetime() })),
      /** Null: everything the region offers. */
      permissions: z.array(z.string()).nullable(),
    }),
  ),
});
export type DevelopmentState = z.infer<typeof stateSchema>;

const fileName = 'simulator-state.json';

/** `seed` is used only where the folder has no state yet. */
export async function readState(dir: string, seed = 'development'): Promise<DevelopmentState> {
  const file = path.join(dir, fileName);
  if (!(await changedAt(dir))) return { seed, entities: [] };
  return stateSchema.parse(JSON.parse(await readFile(file, 'utf8')));
}

export async function writeState(dir: string, state: DevelopmentState): Promise<void> {
  await mkdir(dir, { recursive: true });
  const file = path.join(dir, fileName);
  await writeFile(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** When the state was last written, in milliseconds; 0 while there is none. */
export async function changedAt(dir: string): Promise<number> {
  try {
    return (await stat(path.join(dir, fileName))).mtimeMs;
  } catch {
    return 0;
  }
}

/** Adds the connection of a new customer to a bank. */
export function linkBank(state: DevelopmentState, at: string): DevelopmentState {
  return { ...state, entities: [...state.entities, { linkedAt: at, refreshes: [], permissions: null }] };
}

/** The bank of entity `position` is read again: new transactions, other balances. */
export function refreshAt(
  state: DevelopmentState,
  position: number,
  refresh: { at: string; refreshId: string },
): DevelopmentState {
  return changeAt(state, position, { refresh });
}

/** The newest entity's customer takes permissions back; only these stay. */
export function restrictNewest(state: DevelopmentState, permissions: string[]): DevelopmentState {
  return changeAt(state, state.entities.length - 1, { permissions });
}

/** The data these facts stand for; entity n of the state is entity n of the customers. */
export function customersOf(state: DevelopmentState): SimulatedCustomers {
  const entities = state.entities.flatMap(({ linkedAt, refreshes, permissions }, position) => {
    const { entities: made } = generateCustomers({
      seed: `${state.seed}/${position}`,
      entities: 1,
      at: linkedAt,
    });
    for (const entity of made) {
      for (const { refreshId, at } of refreshes) {
        refreshEntity(entity, { at });
        entity.refreshes.unshift({ refreshId, status: 'FINISHED', createdAt: at, updatedAt: at });
      }
      if (permissions) entity.permissions = permissions;
    }
    return made;
  });
  return { seed: state.seed, entities };
}

/** A refresh id that is the same for the same state. */
export function nextRefreshId(state: DevelopmentState): string {
  const count = state.entities.reduce((sum, entity) => sum + entity.refreshes.length, 0);
  return createRandom(`${state.seed}/refresh/${state.entities.length}/${count}`).uuid();
}

function changeAt(
  state: DevelopmentState,
  position: number,
  change: { refresh?: { at: string; refreshId: string }; permissions?: string[] },
): DevelopmentState {
  const entities = state.entities.map((entity, at) => {
    if (at !== position) return entity;
    const refreshes = change.refresh ? [...entity.refreshes, change.refresh] : entity.refreshes;
    return { linkedAt: entity.linkedAt, refreshes, permissions: change.permissions ?? entity.permissions };
  });
  return { ...state, entities };
}
