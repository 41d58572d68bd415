// Lean's v1 data endpoints: POST with a JSON body, everything in one answer, nothing in pages.
import type { SimulatedAccount, SimulatedEntity } from './customers.ts';
import { v1AccountsReply, v1BalanceReply, v1IdentityReply, v1TransactionsReply } from './reply-v1.ts';
import {
  bodyMembers,
  dayWindow,
  inWindow,
  invalid,
  ok,
  readableEntity,
  unknownAccount,
  type ApiCall,
  type ApiReply,
  type ApiWorld,
} from './route-helpers.ts';

export function v1Identity(world: ApiWorld, call: ApiCall): ApiReply {
  return ofEntity(world, {
    call,
    permission: 'identity',
    answer: (entity) => ok(v1IdentityReply(entity, factsOf(world))),
  });
}

export function v1Accounts(world: ApiWorld, call: ApiCall): ApiReply {
  return ofEntity(world, {
    call,
    permission: 'accounts',
    answer: (entity) => ok(v1AccountsReply(entity, factsOf(world))),
  });
}

export function v1Balance(world: ApiWorld, call: ApiCall): ApiReply {
  return ofAccount(world, {
    call,
    permission: 'balance',
    answer: (account) => ok(v1BalanceReply(account, factsOf(world))),
  });
}

export function v1Transactions(world: ApiWorld, call: ApiCall): ApiReply {
  const members = bodyMembers(call.body);
  const window = dayWindow(members.get('start_date'), members.get('end_date'));
  if (!window) return invalid(world, 'start_date or end_date');
  return ofAccount(world, {
    call,
    permission: 'transactions',
    answer: (account) =>
      ok(
        v1TransactionsReply(account, {
          ...factsOf(world),
          transactions: inWindow(account.transactions, window),
          insights: members.get('insights') === 'true',
        }),
      ),
  });
}

interface Asked<T> {
  call: ApiCall;
  permission: string;
  answer: (found: T) => ApiReply;
}

function ofEntity(world: ApiWorld, asked: Asked<SimulatedEntity>): ApiReply {
  const { call, permission, answer } = asked;
  const found = readableEntity(world, {
    entityId: bodyMembers(call.body).get('entity_id') ?? '',
    permissions: [permission],
    dialect: 'v1',
    again: () => ofEntity(world, asked),
  });
  return 'refused' in found ? found.refused : answer(found.entity);
}

function ofAccount(world: ApiWorld, { call, permission, answer }: Asked<SimulatedAccount>): ApiReply {
  return ofEntity(world, {
    call,
    permission,
    answer: ({ accounts }) => {
      const accountId = bodyMembers(call.body).get('account_id');
      const account = accounts.find((one) => one.accountId === accountId);
      return account ? answer(account) : unknownAccount(world);
    },
  });
}

function factsOf(world: ApiWorld) {
  return { resultsId: world.newId(), timestamp: world.timestamp() };
}
