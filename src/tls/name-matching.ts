// Is a name within a constraint's base? One rule for each kind of name, as RFC 5280, 4.2.1.10 words them. A constrained
// name that is not of its kind's form refuses the path instead of being taken for harmless.
import { ChainRefused } from './chain-refusals.ts';
import { DerError } from './der.ts';
import { isWithinName } from './distinguished-name.ts';
import type { GeneralName } from './general-names.ts';

const hostPattern = /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/i;

/** RFC 1035, 2.3.4 */
export const maxHostLength = 255;

function isHost(text: string): boolean {
  return text.length <= maxHostLength && hostPattern.test(text);
}

/** Would anybody take this text for the name of a host? A single word is more often a person's name. */
export function isHostName(text: string): boolean {
  return text.includes('.') && isHost(text);
}

/** Throws DerError for a base that could not have been meant. */
export function checkBase(base: GeneralName): void {
  if (!isBase(base)) throw new DerError('malformed base of a name constraint');
}

function isBase(base: GeneralName): boolean {
  switch (base.kind) {
    case 'dns':
      return base.text === '' || isHost(base.text);
    case 'email':
      return base.text.includes('@') ? splitAddress(base.text) !== null : isDomain(base.text);
    case 'uri':
      return isDomain(base.text);
    case 'ip':
      return isNetwork(base.bytes);
    case 'directory':
    case 'other':
    case 'registeredId':
      return true;
  }
}

/** A host, or with a dot in front everything below it. */
function isDomain(text: string): boolean {
  return isHost(text.replace(/^\./, ''));
}

/** Both are of one kind. Throws NAME_MALFORMED. */
export function isNameWithin(name: GeneralName, base: GeneralName): boolean {
  if (name.kind === 'directory' && base.kind === 'directory') return isWithinName(name.name, base.name);
  if (name.kind === 'ip' && base.kind === 'ip') return isInNetwork(name.bytes, base.bytes);
  if (name.kind === 'dns' && base.kind === 'dns') return isHostWithin(readHost(name.text), base.text);
  if (name.kind === 'email' && base.kind === 'email') return isAddressWithin(name.text, base.text);
  if (name.kind === 'uri' && base.kind === 'uri') return isDomainWithin(readUriHost(name.text), base.text);
  return false;
}

/** As above; a wildcard also counts when it stands for names inside the base. */
export function mayOverlap(name: GeneralName, base: GeneralName): boolean {
  if (isNameWithin(name, base)) return true;
  if (name.kind !== 'dns' || base.kind !== 'dns' || !name.text.startsWith('*.')) return false;
  return isHostWithin(base.text, name.text.slice(2));
}

/** The host itself or a host below it; an empty base holds every host. */
function isHostWithin(host: string, base: string): boolean {
  const [lowerHost, lowerBase] = [host.toLowerCase(), base.toLowerCase()];
  return lowerBase === '' || lowerHost === lowerBase || lowerHost.endsWith(`.${lowerBase}`);
}

/** For mail and URIs a base is one host, or with a dot in front everything below it but not it. */
function isDomainWithin(host: string, base: string): boolean {
  const [lowerHost, lowerBase] = [host.toLowerCase(), base.toLowerCase()];
  return lowerBase.startsWith('.') ? lowerHost.endsWith(lowerBase) : lowerHost === lowerBase;
}

function isAddressWithin(address: string, base: string): boolean {
  const parts = splitAddress(address);
  if (parts === null) throw new ChainRefused('NAME_MALFORMED');
  const wanted = splitAddress(base);
  if (wanted === null) return isDomainWithin(parts.host, base);
  return parts.mailbox === wanted.mailbox && parts.host.toLowerCase() === wanted.host.toLowerCase();
}

function splitAddress(address: string): { mailbox: string; host: string } | null {
  const [mailbox, host, ...rest] = address.split('@');
  if (!mailbox || host === undefined || rest.length > 0 || !isHost(host)) return null;
  return { mailbox, host };
}

function readHost(text: string): string {
  if (!isHost(text.replace(/^\*\./, ''))) throw new ChainRefused('NAME_MALFORMED');
  return text;
}

/** RFC 5280 constrains only URIs with a host that is a name; user information and literal addresses are refused. */
function readUriHost(uri: string): string {
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/?#:]*)(:\d*)?([/?#]|$)/i.exec(uri)?.[1];
  if (host === undefined || !isHost(host) || /^[\d.]+$/.test(host)) throw new ChainRefused('NAME_MALFORMED');
  return host;
}

/** Address and mask, of 4 bytes each or of 16; the mask is ones, then zeros. */
function isNetwork(bytes: Uint8Array): boolean {
  if (bytes.length !== 8 && bytes.length !== 32) return false;
  const mask = [...bytes.subarray(bytes.length / 2)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(mask);
}

function isInNetwork(address: Uint8Array, network: Uint8Array): boolean {
  if (address.length !== 4 && address.length !== 16) throw new ChainRefused('NAME_MALFORMED');
  if (network.length !== 2 * address.length) return false;
  const mask = network.subarray(address.length);
  return address.every((byte, index) => ((byte ^ (network[index] ?? 0)) & (mask[index] ?? 0)) === 0);
}
