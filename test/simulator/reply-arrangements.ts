// People and orders in Lean's v2 replies: identities, beneficiaries, direct debits, standing orders, scheduled payments,
// with the keys of the captures. Items of accounts carry no entity id, as captured.
import type { SimulatedEntity } from './customers.ts';
import { numberLiteral } from './json-text.ts';
import type {
  SimulatedBeneficiary,
  SimulatedCreditor,
  SimulatedDirectDebit,
  SimulatedScheduledPayment,
  SimulatedStandingOrder,
} from './orders.ts';
import type { SimulatedIdentity } from './people.ts';
import { listReply, type PageRequest, type ReplyFacts } from './reply-bodies.ts';
import { money, type AccountOfEntity } from './reply-items.ts';

type Facts = ReplyFacts & PageRequest;

/** Who gave the consent. */
export function identityReply(entity: SimulatedEntity, facts: Facts): string {
  return identities({ entity, all: [entity.identity], facts });
}

export function accountIdentitiesReply({ entity, account }: AccountOfEntity, facts: Facts): string {
  return identities({ entity, all: account.identities, facts });
}

function identities(list: { entity: SimulatedEntity; all: SimulatedIdentity[]; facts: Facts }): string {
  const { entity, all, facts } = list;
  const item = (identity: SimulatedIdentity) => identityItem(entity, identity);
  // Null in both captures, that of an account included.
  return listReply('identities', { facts, all, item, extra: { account_id: null } });
}

export function beneficiariesReply({ account }: AccountOfEntity, facts: Facts): string {
  return listReply('beneficiaries', {
    facts,
    all: account.orders.beneficiaries,
    item: (one) => beneficiaryItem(account.accountId, one),
  });
}

export function directDebitsReply({ account }: AccountOfEntity, facts: Facts): string {
  return listReply('direct-debits', {
    facts,
    key: 'direct_debits',
    all: account.orders.directDebits,
    item: (one) => directDebitItem(account.accountId, one),
  });
}

export function standingOrdersReply({ account }: AccountOfEntity, facts: Facts): string {
  return listReply('standing-orders', {
    facts,
    key: 'standing_orders',
    all: account.orders.standingOrders,
    item: (one) => standingOrderItem(account.accountId, one),
  });
}

export function scheduledPaymentsReply({ account }: AccountOfEntity, facts: Facts): string {
  return listReply('scheduled-payments', {
    facts,
    key: 'scheduled_payments',
    all: account.orders.scheduledPayments,
    item: (one) => scheduledPaymentItem(account.accountId, one),
  });
}

function identityItem(entity: SimulatedEntity, identity: SimulatedIdentity) {
  const { address } = identity;
  return {
    entity_id: entity.entityId,
    full_legal_name: identity.fullLegalName,
    name: identity.name,
    national_id: identity.nationalId,
    birth_date: identity.birthDate,
    gender: identity.gender,
    email_address: identity.email,
    legal_structure: null,
    phone: identity.phone,
    mobile_number: identity.mobileNumber,
    address: {
      address_line: address.addressLine,
      address_type: address.addressType,
      building_type: null,
      apartment_or_villa_number: null,
      building_name: address.buildingName,
      street: null,
      area: null,
      street_address: address.addressLine,
      post_code: address.postCode,
      town_name: address.townName,
      region: address.region,
      po_box: address.poBox,
      country: address.countryText,
    },
    account_role: identity.accountRole,
    party_type: identity.partyType,
    party_id: identity.partyId,
    party_number: identity.partyNumber,
    regional_data: null,
  };
}

function beneficiaryItem(accountId: string, one: SimulatedBeneficiary) {
  const agent = agentItem(one.creditor);
  return {
    account_id: accountId,
    account_holder_name: one.holderName,
    account_holder_short_name: one.holderName,
    beneficiary_id: one.id,
    beneficiary_type: one.type,
    creditor_agent: agent && { ...agent, name: 'Example Bank', postal_address: agentAddress },
    creditor_account: accountItem(one.creditor),
    reference: one.reference,
    supplementary_data: null,
    regional_data: null,
  };
}

function directDebitItem(accountId: string, one: SimulatedDirectDebit) {
  const { previousAmount: amount, currency } = one;
  return {
    account_id: accountId,
    direct_debit_id: one.id,
    status_code: one.status,
    frequency: one.frequency,
    mandate_identification: one.mandate,
    name: one.name,
    previous_payment_date_time: one.previousAt,
    previous_payment_amount: amount === null ? null : money({ amount, currency }),
    regional_data: null,
  };
}

function standingOrderItem(accountId: string, one: SimulatedStandingOrder) {
  return {
    account_id: accountId,
    standing_order_id: one.id,
    standing_order_status_code: one.status,
    first_payment_date_time: one.firstAt,
    last_payment_date_time: one.lastAt,
    next_payment_date_time: one.nextAt,
    final_payment_date_time: one.finalAt,
    frequency: { frequency_type: one.frequencyType, interval: one.interval },
    number_of_payments: one.numberOfPayments === null ? null : numberLiteral(String(one.numberOfPayments)),
    reference: one.reference,
    standing_order_type: one.type,
    purpose: one.purpose,
    first_payment_amount: money(one),
    last_payment_amount: money(one),
    next_payment_amount: one.nextAt === null ? null : money(one),
    final_payment_amount: money(one),
    creditor_agent: agentItem(one.creditor),
    creditor_account: accountItem(one.creditor),
    regional_data: null,
  };
}

function scheduledPaymentItem(accountId: string, one: SimulatedScheduledPayment) {
  return {
    account_id: accountId,
    scheduled_payment_id: one.id,
    scheduled_type: one.type,
    scheduled_payment_date_time: one.at,
    debtor_reference: one.debtorReference,
    reference: one.reference,
    instructed_amount: money(one),
    creditor_agent: agentItem(one.creditor),
    creditor_account: accountItem(one.creditor),
    regional_data: null,
  };
}

function agentItem({ agent }: SimulatedCreditor) {
  return agent && { scheme_name: agent.schemeName, identification: agent.identification };
}

function accountItem({ account }: SimulatedCreditor) {
  return (
    account && {
      scheme_name: account.schemeName,
      identification: account.identification,
      name: account.name,
    }
  );
}

const agentAddress = {
  address_line: 'P.O. Box 9084, Riyadh',
  address_type: 'BUSINESS',
  building_number: '9084',
  country: 'Saudi Arabia',
  department: null,
  post_code: '11413',
  street_name: null,
  sub_department: null,
  town_name: 'Riyadh',
  country_sub_division: null,
};
