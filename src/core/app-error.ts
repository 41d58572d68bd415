// The one error this service throws on purpose. Floors 0 to 2 throw it and never log; floor 3 writes the line.
import type { FailureCode } from './failure-codes.ts';

export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: FailureCode;

  /** `message` is for the log and never holds a byte of a customer's data. */
  constructor(code: FailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
