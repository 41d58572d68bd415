// Reads the plain part of YAML that deploy/ is written in: mappings, sequences, `[a, b]`, quoted and bare words, whole
// lines of comment. Everything else is an error, so that nobody takes it for read: anchors, tags, folded text, tabs.

export type PlainYaml = string | readonly PlainYaml[] | { readonly [name: string]: PlainYaml };

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

/** The documents of a file, in order. Every scalar is a string. */
export function readPlainYaml(text: string): PlainYaml[] {
  return text.split(/^---$/m).map((document) => {
    const lines = document.split('\n').flatMap((raw, index): Line[] => {
      const line = raw.trimEnd();
      if (line.trim() === '' || line.trimStart().startsWith('#')) return [];
      if (line.includes('\t')) throw new Error(`a tab in line ${index + 1}: ${line}`);
      return [{ number: index + 1, indent: line.search(/\S/), text: line.trim() }];
    });
    const value = readBlock(lines);
    if (lines.length > 0) throw new Error(`cannot read line ${lines[0]?.number}: ${lines[0]?.text}`);
    return value;
  });
}

/** Takes the lines of one block from the front. */
function readBlock(lines: Line[]): PlainYaml {
  const [first] = lines;
  if (first === undefined) throw new Error('nothing where a value should be');
  return first.text.startsWith('- ') ? readSequence(lines, first.indent) : readMapping(lines, first.indent);
}

function readSequence(lines: Line[], indent: number): PlainYaml[] {
  const items: PlainYaml[] = [];
  for (let [line] = lines; line?.indent === indent && line.text.startsWith('- '); [line] = lines) {
    const text = line.text.slice(2);
    lines.shift();
    if (!isEntry(text)) {
      items.push(readScalar(text, line));
      continue;
    }
    // What follows the dash is the first line of a mapping two further in.
    lines.unshift({ ...line, indent: indent + 2, text });
    items.push(readMapping(lines, indent + 2));
  }
  return items;
}

function readMapping(lines: Line[], indent: number): PlainYaml {
  const entries = new Map<string, PlainYaml>();
  for (let [line] = lines; line?.indent === indent && isEntry(line.text); [line] = lines) {
    lines.shift();
    const [, name = '', value = ''] = /^([\w./-]+):(?: (.*))?$/.exec(line.text) ?? [];
    if (name === '') throw new Error(`cannot read line ${line.number}: ${line.text}`);
    if (entries.has(name)) throw new Error(`${name} stands twice, the second time in line ${line.number}`);
    const [next] = lines;
    // A sequence may stand as far in as its name.
    const isBelow = next !== undefined && (next.indent > indent || isItem(next, indent));
    entries.set(name, value === '' && isBelow ? readBlock(lines) : readScalar(value, line));
  }
  return Object.fromEntries(entries);
}

const isItem = ({ indent, text }: Line, of: number) => indent === of && text.startsWith('- ');
const isEntry = (text: string) => /^[\w./-]+:( |$)/.test(text);

function readScalar(text: string, { number }: Line): PlainYaml {
  const [, list] = /^\[(.*)\]$/.exec(text) ?? [];
  if (list !== undefined) return list.split(', ');
  const [, quoted] = /^'((?:[^']|'')*)'$/.exec(text) ?? [];
  if (quoted !== undefined) return quoted.replaceAll("''", "'");
  if (text === '' || /^[&*!|>%@`"'{}#[\]]|: | #/.test(text))
    throw new Error(`cannot read line ${number}: ${text}`);
  return text;
}
