// Room for a bounded number of connections, and who gives way when it is full: the oldest of those that may.
// Never picks one that is held, so nobody with a request in flight or a proof behind it is pushed out.

export interface ConnectionRoom<Member> {
  readonly members: ReadonlySet<Member>;
  /** undefined: there is room. null: it is full of members that are held. */
  whoGivesWay(): Member | null | undefined;
  /** A newcomer may be pushed out until it is held. */
  enter(member: Member): void;
  hold(member: Member): void;
  release(member: Member): void;
  leave(member: Member): void;
}

export function createConnectionRoom<Member>({ limit }: { limit: number }): ConnectionRoom<Member> {
  const members = new Set<Member>();
  /** In order of arrival, or of the end of the last request. */
  const yielding = new Set<Member>();
  return {
    members,
    whoGivesWay() {
      if (members.size < limit) return undefined;
      return yielding.values().next().value ?? null;
    },
    enter(member) {
      members.add(member);
      yielding.add(member);
    },
    hold(member) {
      yielding.delete(member);
    },
    release(member) {
      if (members.has(member)) yielding.add(member);
    },
    leave(member) {
      members.delete(member);
      yielding.delete(member);
    },
  };
}
