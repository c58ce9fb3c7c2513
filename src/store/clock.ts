import type { Db } from "mongodb";

/**
 * The database's clock. Instances whose own clocks differ use it to agree on what is due and which leases have
 * expired. Between syncs it follows the local clock. An error of less than one round trip remains.
 */
export interface ServerClock {
  /** Unix milliseconds. */
  now(): number;
  sync(): Promise<void>;
}

export function createServerClock(db: Db, local: () => number = Date.now): ServerClock {
  let offset = 0;
  return {
    now: () => local() + offset,
    async sync() {
      const before = local();
      const { localTime } = await db.admin().command({ hello: 1 });
      const time = (localTime as Date).getTime();
      // The server read its clock at some moment during the round trip. Keep an offset that agrees with that, so that
      // a slow answer does not make the time jump.
      offset = Math.min(Math.max(offset, time - local()), time - before);
    },
  };
}
