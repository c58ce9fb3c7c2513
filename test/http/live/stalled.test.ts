import { expect, test } from "vitest";
import { apply, newestFirst, readInbox } from "../../../chaos/devices.ts";
import { freshDatabase } from "../../support/database.ts";
import { collectOnSignal, memoryOf } from "../../support/memory.ts";
import { eventually, spawnService } from "../../support/service.ts";
import { livePath, notify } from "./calls.ts";
import { openSocket, type SocketDevice } from "./clients.ts";

// The quick form; `npm run bench:live` measures the same over 20,000 changes, `bounded.test.ts` has what is held to the byte.

const { uri } = freshDatabase();
const changes = 2_000;
const inFlight = 16;
/** 20 KB. */
const text = "é".repeat(10_000);

test("a device that reads nothing during 2,000 changes uses little memory, then catches up", {
  timeout: 240_000,
}, async () => {
  const { url, kill } = await spawnService({
    DB_URI: uri,
    INBOX_LIMIT: "20",
    // A client that reads nothing for two heartbeats is cut off.
    LIVE_HEARTBEAT_SECONDS: "600",
    NODE_OPTIONS: collectOnSignal,
  });
  const user = "slow";
  async function notifyOften(count: number): Promise<void> {
    let left = count;
    const caller = async () => {
      while (left-- > 0) await notify(url, user, "hello", text);
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
  }
  const heldMb = async () => {
    const { heap, external } = await memoryOf(url, () => kill("SIGUSR2"));
    return heap + external;
  };
  // A process that has just started grows by itself.
  await notifyOften(300);
  const { rev, items } = await readInbox(url, user);
  const devices = Array.from({ length: 4 }, () => openSocket(url, livePath(user, `?rev=${rev}`)));
  const [stalled, ...others] = devices as [SocketDevice, SocketDevice, SocketDevice, SocketDevice];
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "all listen");

  stalled.ws.pause();
  const before = await heldMb();
  await notifyOften(changes);
  const { items: held, ...standing } = await readInbox(url, user);
  const isThere = ({ messages }: SocketDevice) =>
    messages.some((one) => one.type === "changes" && one.rev === standing.rev);
  await eventually(() => others.every(isThere), "the others have heard it all", 60);
  // It was told 40 MB, had anybody kept them.
  expect((await heldMb()) - before).toBeLessThan(20);
  expect(stalled.messages).toHaveLength(1);
  stalled.ws.resume();
  await eventually(() => isThere(stalled), "the stalled one has caught up", 60);

  for (const { messages } of devices) {
    const shown = new Map(items.map((one) => [one.id, one]));
    for (const message of messages.slice(1)) {
      if (message.type !== "changes") throw new Error(`was told: ${message.type}`);
      apply(message, shown);
    }
    expect(newestFirst(shown)).toEqual(held);
    expect(messages.at(-1)).toMatchObject(standing);
  }
  // Its backlog was some MB in the kernel and less than 1 MiB in the service; the others received 40 MB each.
  expect(heard(stalled)).toBeLessThan(heard(others[0]) / 2);
});

const heard = ({ texts }: SocketDevice) => texts.reduce((sum, one) => sum + one.length, 0);
