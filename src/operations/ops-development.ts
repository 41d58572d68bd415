// Has a running `npm start` run an operator's command, where its database lives inside its process and nobody else can
// open it. What the command says is passed on as it comes; an interrupt here ends it in order there.
import { createConnection } from 'node:net';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';

const replySchema = z.union([
  z.strictObject({ text: z.string() }),
  z.strictObject({ code: z.int() }),
  z.strictObject({ error: z.string() }),
]);

export interface DevelopmentQuestion {
  readonly socket: string;
  readonly argv: readonly string[];
  readonly operator: string | undefined;
  readonly write: (text: string) => void;
  readonly stop: AbortSignal;
}

/** The exit code. Throws DEVELOPMENT_NOT_RUNNING, also where it ends before the command has. */
export async function runInDevelopment(question: DevelopmentQuestion): Promise<number> {
  const { socket: path, argv, operator, write, stop } = question;
  const socket = createConnection(path);
  const interrupt = () => void socket.write('stop\n');
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    socket.write(`${JSON.stringify({ ops: argv, operator })}\n`);
    for await (const line of linesOf(socket)) {
      const reply = replySchema.parse(JSON.parse(line));
      if ('code' in reply) return reply.code;
      if ('error' in reply) throw new AppError('DEVELOPMENT_NOT_RUNNING', `npm start says: ${reply.error}`);
      write(reply.text);
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('DEVELOPMENT_NOT_RUNNING', developmentNotRunning, { cause });
  } finally {
    stop.removeEventListener('abort', interrupt);
    socket.destroy();
  }
  throw new AppError('DEVELOPMENT_NOT_RUNNING', 'npm start ended before the command did');
}

export const developmentNotRunning = 'DATABASE_URL is unset and no "npm start" is running here';

async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
