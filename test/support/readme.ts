// The README as a reader at a terminal takes it: its chapters, their blocks to paste, and the command lines in them.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './processes.ts';

export function readme(): string {
  return readFileSync(path.join(root, 'README.md'), 'utf8');
}

/** What stands under a heading, up to the next one of its level or above. */
export function chapter(text: string, heading: string): string {
  const [marks = ''] = heading.split(' ', 1);
  const from = text.indexOf(`\n${heading}\n`);
  if (from < 0) throw new Error(`no chapter "${heading}"`);
  const rest = text.slice(from + heading.length + 2);
  const end = rest.search(new RegExp(`^#{2,${marks.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** Every block to paste into a shell, in order, as it stands there. */
export function shellBlocks(text: string): string[] {
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block ?? '');
}

/** Every `npm run …` of the blocks to paste, each as the words a shell makes of it. */
export function pastedCommands(text: string): string[][] {
  return shellBlocks(text).flatMap((block) => block.split('\n').flatMap(commandsIn));
}

/** Every one that the text between the blocks names. */
export function namedCommands(text: string): string[][] {
  const between = text.replaceAll(/^```[^]*?^```$/gm, '');
  return [...between.matchAll(/`([^`]+)`/g)].flatMap(([, named]) =>
    commandsIn((named ?? '').replaceAll(/\s+/g, ' ')),
  );
}

function commandsIn(line: string): string[][] {
  return line.split(/&&|;/).flatMap((part) => {
    const from = part.indexOf('npm run ');
    return from < 0 ? [] : [shellWords(part.slice(from).replace('npm run --silent ', 'npm run '))];
  });
}

/** What is in quotes is one word; a comment is none. */
function shellWords(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment < 0 ? words : words.slice(0, comment);
}
