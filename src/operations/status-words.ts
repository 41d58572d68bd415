// Figures in words for people: every one with its unit, every time in UTC. Pure.
import { html, type Html } from './html.ts';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function count(value: number): string {
  return grouped.format(value);
}

/** `45 s`, `12 min`, `3 h 5 min`, `12 days`; two units where one alone would be coarse. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'never';
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${count(Math.floor(hours / 24))} days`;
}

const bytesInMebibyte = 1_048_576;

export function mebibytes(bytes: number): string {
  const size = bytes / bytesInMebibyte;
  return `${size < 10 ? size.toFixed(1) : count(size)} MiB`;
}

export function instant(at: Date): Html {
  const text = at.toISOString();
  return html`<time datetime="${text}">${text.slice(0, 10)} ${text.slice(11, 19)} UTC</time>`;
}

/** Of a stretch whose table says that it is in UTC. */
export function clockTime(at: Date): Html {
  const text = at.toISOString();
  return html`<time datetime="${text}">${text.slice(11, 16)}</time>`;
}
