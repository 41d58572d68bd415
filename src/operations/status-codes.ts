// The codes that the status page shows, and what they mean: the very words of the README's chapter "Failure codes".
import { failureCodes } from '../core/failure-codes.ts';
import { html, type Html } from './html.ts';

interface Meaning {
  readonly means: string;
  readonly cure: string;
}

const meanings: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ...Object.entries(failureCodes),
  [
    'ABORTED',
    {
      means: 'The sender went away before it had an answer.',
      cure: 'Nothing if it is rare; Lean sends again. If it is not, look for a proxy that gives up too early.',
    },
  ],
]);

/** To its meaning further down; text alone where it has none. */
export function codeLink(code: string): Html {
  return meanings.has(code) ? html`<a href="#code-${code}">${codeText(code)}</a>` : codeText(code);
}

/** A narrow column may break it between its words. */
function codeText(code: string): Html {
  const words = code.split('_').map((word, index) => (index === 0 ? html`${word}` : html`_<wbr />${word}`));
  return html`<code>${words}</code>`;
}

export function codeList(codes: readonly string[]): Html {
  const shown = [...new Set(codes)].toSorted().flatMap((code) => {
    const meaning = meanings.get(code);
    return meaning === undefined ? [] : [{ code, ...meaning }];
  });
  if (shown.length === 0) return html`<p>No code is shown above.</p>`;
  return html`<dl class="codes">
    ${shown.map(
      ({ code, means, cure }) =>
        html`<dt id="code-${code}">${codeText(code)}</dt>
          <dd>${means}</dd>
          <dd><strong>What to do:</strong> ${cure}</dd>`,
    )}
  </dl>`;
}
