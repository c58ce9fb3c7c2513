import type { Db } from "mongodb";

/**
 * The database's clock, so that instances whose own clocks differ agree on what is due and whose lease has run out.
 * Between looks it follows the local clock; an error under a round trip remains.
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
      // It showed this at some moment in between. What agrees with that stays, or time would jump with every slow answer.
      offset = Math.min(Math.max(offset, time - local()), time - before);
    },
  };
}
