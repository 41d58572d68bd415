// Addresses, accounts and banks of other people, in the spellings of every kind of item that has them.
import { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import { anything, wireObject, wireText } from './wire-values.ts';

const wireAddressSchema = z.object({
  address_line: wireText,
  address_type: wireText,
  building_type: wireText,
  building_name: wireText,
  building_number: wireText,
  apartment_or_villa_number: wireText,
  street: wireText,
  /** Banks' addresses have a street name, people's a street. */
  street_name: wireText,
  street_address: wireText,
  area: wireText,
  department: wireText,
  sub_department: wireText,
  post_code: wireText,
  po_box: wireText,
  town_name: wireText,
  region: wireText,
  /** Two spellings of one member. */
  country_sub_division: wireText,
  country_subdivision: wireText,
  country: wireText,
});
export type WireAddress = z.infer<typeof wireAddressSchema>;

/** An address in one text, as the v1 dialect writes it, is an address of one line. */
export const wireAddress = anything
  .transform((value) => {
    const line = wireText.parse(value);
    return line === null ? value : { address_line: line };
  })
  .transform((value): WireAddress | null => {
    const parsed = isJsonObject(value) ? wireAddressSchema.safeParse(value) : null;
    return parsed?.success === true ? parsed.data : null;
  });

export const wirePartyAccount = wireObject(
  z.object({ scheme_name: wireText, identification: wireText, name: wireText }),
);
export type WirePartyAccount = z.infer<typeof wirePartyAccount>;

export const wireAgent = wireObject(
  z.object({ scheme_name: wireText, identification: wireText, name: wireText, postal_address: wireAddress }),
);
export type WireAgent = z.infer<typeof wireAgent>;
