// Reads one conformance case as JSON per line, writes its verdict as JSON per line. Every line gets an answer: one that
// is no case is refused, under its id if it has one.
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { conformanceCaseSchema, judgeCase, type CaseVerdict } from './case.ts';

const anyCaseSchema = z.object({ id: z.string() });

function answer(line: string): CaseVerdict {
  const value = parseJson(line);
  const parsed = conformanceCaseSchema.safeParse(value);
  if (parsed.success) return judgeCase(parsed.data);
  return { id: anyCaseSchema.safeParse(value).data?.id ?? '', verdict: 'reject', reason: 'CASE_MALFORMED' };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

for await (const line of createInterface({ input: process.stdin }))
  if (line.trim() !== '') process.stdout.write(`${JSON.stringify(answer(line))}\n`);
