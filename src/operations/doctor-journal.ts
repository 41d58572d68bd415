// `ops -- doctor`: can the journal's folder be written, does it last, is its disk fast and large enough, how full is it.
// Opens the journal itself read-only: a receiver may be working on it.
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { describePassingPlace, judgePlace } from '../journal/journal-place.ts';
import { probeJournalDisk, type JournalDiskProbe } from '../journal/journal-probe.ts';
import { readJournalStatus, type JournalStatus } from '../journal/journal-status.ts';
import { judgeJournalFill } from './commands-journal.ts';
import { coded, ok, problem, warning, type DoctorFinding } from './doctor-finding.ts';
import { counted } from './operator-output.ts';

/** Throws JOURNAL_UNWRITABLE or JOURNAL_CORRUPT. */
export async function lookAtJournal(config: Config): Promise<readonly DoctorFinding[]> {
  const dir = config.JOURNAL_DIR;
  const disk = await probeJournalDisk(dir);
  const status = readStatusIfThere(dir);
  return [
    placeFinding(config, describePassingPlace(dir)),
    judgeDisk(disk, { config, usedBytes: status?.bytes ?? 0 }),
    judgeStatus(status, config),
  ];
}

function readStatusIfThere(dir: string): JournalStatus | null {
  try {
    return readJournalStatus(dir);
  } catch (error) {
    if (error instanceof AppError && error.code === 'JOURNAL_NOT_FOUND') return null;
    throw error;
  }
}

type PlaceConfig = Pick<Config, 'JOURNAL_DIR' | 'JOURNAL_PERSISTENT' | 'ACK_AFTER' | 'LEAN_ENVIRONMENT'>;

/** As a receiver judges it at its start. */
export function placeFinding(config: PlaceConfig, passing: string | null): DoctorFinding {
  const check = 'journal place';
  const verdict = judgePlace({
    passing,
    acksWhenStored: config.ACK_AFTER === 'stored',
    isVouchedFor: config.JOURNAL_PERSISTENT === 'yes',
    isProduction: config.LEAN_ENVIRONMENT === 'production',
  });
  switch (verdict) {
    case 'lasting':
      return ok(
        check,
        `${config.JOURNAL_DIR} looks like a disk; whether it outlives a container cannot be seen`,
      );
    case 'unneeded':
      return ok(check, 'does not outlive the container, and need not: ACK_AFTER=stored');
    case 'vouched':
      return ok(check, 'does not look like a disk; JOURNAL_PERSISTENT=yes says that it lasts');
    case 'doubtful':
    case 'refused': {
      const state = verdict === 'refused' ? 'problem' : 'warning';
      return coded(check, { state, code: 'JOURNAL_NOT_PERSISTENT', ...(passing && { message: passing }) });
    }
  }
}

/** For the reserve, the log and what is under way, beside JOURNAL_LIMIT_BYTES. */
const spareBytes = 32 * 1024 * 1024;
/** A delivery waits for one of these. */
const slowSyncMs = 100;

export function judgeDisk(
  { exists, freeBytes, syncMs }: JournalDiskProbe,
  {
    config,
    usedBytes,
  }: {
    readonly config: Pick<Config, 'JOURNAL_DIR' | 'JOURNAL_LIMIT_BYTES' | 'JOURNAL_DEADLINE_MS'>;
    readonly usedBytes: number;
  },
): DoctorFinding {
  const check = 'journal disk';
  const room = `${Math.floor(freeBytes / 1024 / 1024)} MiB free`;
  const speed = syncMs === null ? '' : `, an fsync takes ${syncMs.toFixed(1)} ms`;
  const message = `${config.JOURNAL_DIR} ${exists ? 'can be written' : 'is not there yet and can be made'}, ${room}${speed}`;
  const cureRoom = 'Make room on that disk, or lower JOURNAL_LIMIT_BYTES to what it can hold.';
  if (freeBytes < spareBytes) return problem(check, { message, cure: cureRoom });
  const cureSpeed =
    'Give the journal a local SSD of its own; see what else writes there (iostat, or the burst credits of a cloud disk).';
  if (syncMs !== null && syncMs >= config.JOURNAL_DEADLINE_MS)
    return problem(check, { message: `${message}: deliveries would be answered 503`, cure: cureSpeed });
  if (freeBytes + usedBytes < config.JOURNAL_LIMIT_BYTES + spareBytes)
    return warning(check, { message: `${message}: less than JOURNAL_LIMIT_BYTES may need`, cure: cureRoom });
  if (syncMs !== null && syncMs >= slowSyncMs)
    return warning(check, { message: `${message}: every delivery waits for that`, cure: cureSpeed });
  return ok(check, message);
}

export function judgeStatus(
  status: JournalStatus | null,
  config: Pick<Config, 'JOURNAL_LIMIT_BYTES'>,
): DoctorFinding {
  const check = 'journal';
  if (status === null) return ok(check, 'is not made yet; a receiver makes it at its start');
  const share = status.bytes / config.JOURNAL_LIMIT_BYTES;
  const { code, message } = judgeJournalFill(status, share);
  const said = `${counted(status.rows, ['delivery waits', 'deliveries wait'])}, ${Math.floor(share * 100)} % full; ${message}`;
  if (code === 0) return ok(check, said);
  const cure = 'See `ops -- journal status`, and the rows "redis" and "postgres" of this list.';
  return code === 1 ? warning(check, { message: said, cure }) : problem(check, { message: said, cure });
}
