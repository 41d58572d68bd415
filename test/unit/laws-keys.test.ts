// Keys made of content, and the hashes that tell a change, are those of every version of the normalizer: another one
// would make a second row of every payment without an id, and a version of every row.
import { expect, it } from 'vitest';
import { sliceItems } from '../../src/core/json-slices.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { listKindsOfLean } from '../support/normalized-lists.ts';

/** The first item of the fixture as if the bank had given it no id. */
function withoutId(fixture: string, { member, idName }: { member: string; idName: string }): string {
  const [item = ''] = sliceItems(readLeanFixture(fixture).bodyText, ['data', member]);
  return item.replace(new RegExp(`"${idName}":\\s*"[^"]*",`), '');
}

it.each([
  [
    'transactions',
    'v2-ksa-response-transactions',
    'transactions',
    'transaction_id',
    'fp_59bb67d895cacfac809d6d8c27e8dbaf9fcdbec929c67122d02c7a73059f2127',
    '773d2bae086f282d919715bbf6cd3a51804023e0d02a8829d816b723ed29364d',
  ],
  [
    'transactions',
    'v2-uae-old-response-transactions-verbose',
    'transactions',
    'transaction_id',
    'fp_59cdb48760d443c583649f7cb5e2a9b8a86710d07333b7c9130d30e2028b268f',
    '7f6e45aefa004095f81188b5a3adfe4928a152e0931545e5cc2ad30f325a9bf0',
  ],
  [
    'people',
    'v2-ksa-response-identity',
    'identities',
    'party_id',
    'fp_25e70a5dde57853999401d627820b05c70703879dc8f78e4932d30c6871e7f61',
    '25e70a5dde57853999401d627820b05c70703879dc8f78e4932d30c6871e7f61',
  ],
  [
    'beneficiaries',
    'v2-ksa-response-beneficiaries',
    'beneficiaries',
    'beneficiary_id',
    'fp_9ac53dee294d5f2b71e00784157ade1719fb262ec93b0c273a854d78a82a57b3',
    '9ac53dee294d5f2b71e00784157ade1719fb262ec93b0c273a854d78a82a57b3',
  ],
  [
    'direct debits',
    'v2-ksa-response-direct-debits',
    'direct_debits',
    'direct_debit_id',
    'fp_f98824c3c3debb25afe16397539f8aa1d7c116427cc7c6c96805fcda4332b046',
    'f98824c3c3debb25afe16397539f8aa1d7c116427cc7c6c96805fcda4332b046',
  ],
  [
    'standing orders',
    'v2-ksa-response-standing-orders',
    'standing_orders',
    'standing_order_id',
    'fp_1681f1d59a8a53cb9bc903b768f3fd52e1278994ddb752928f14482044195311',
    '1681f1d59a8a53cb9bc903b768f3fd52e1278994ddb752928f14482044195311',
  ],
  [
    'scheduled payments',
    'v2-ksa-response-scheduled-payments',
    'scheduled_payments',
    'scheduled_payment_id',
    'fp_6881817f32be11b3bcc8ca2b4ffe4a228b36a28da952997c3916207c3fc324c7',
    '6881817f32be11b3bcc8ca2b4ffe4a228b36a28da952997c3916207c3fc324c7',
  ],
])('%s without an id keep their key and hash: %s', (name, fixture, member, idName, key, contentHash) => {
  const kind = listKindsOfLean.find((one) => one.name === name);
  expect(kind?.normalize([withoutId(fixture, { member, idName })]).records).toMatchObject([
    { key, record: { contentHash } },
  ]);
});
