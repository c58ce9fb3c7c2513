import fc from "fast-check";
import { expect, test } from "vitest";
import { BelfryError } from "../../src/model/errors.ts";
import { createHub } from "../../src/realtime/hub.ts";
import { eventually } from "../support/eventually.ts";
import { Device, type Known, nothingYet } from "./device.ts";
import { createInboxes } from "./inboxes.ts";

/** So that one of them holds a device back. */
const messageBytes = 300 * 1024;

const user = fc.constantFrom("alex", "0123456789abcdef01234567");
const nth = fc.nat(20);
const hint = fc.constantFrom("none", "as it is", "in capitals");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant("add"), user, nth, hint }) },
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constantFrom("read", "unread", "archive", "remove", "see"),
      user,
      nth,
      hint,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant("subscribe"),
      user,
      nth,
      knows: fc.constantFrom("past", "past", "nothing", "from now", "too much"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ what: fc.constantFrom("stall", "drain", "close"), nth }) },
  { weight: 6, arbitrary: fc.record({ what: fc.constant("let it run"), nth: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom("MongoDB away", "refused", "touch all") }) },
) as fc.Arbitrary<{ what: string; user: string; nth: number; hint: string; knows: string }>;

test("every device ends with the database's inbox after any order of events", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 120, size: "max" }),
      fc.infiniteStream(fc.nat(8)),
      async (steps, delays) => {
        const inboxes = createInboxes();
        const past = new Map<string, Known[]>();
        const devices: Device[] = [];
        const owners = new Map<Device, string>();
        let failure: Error | undefined;
        const hub = createHub({
          async read(requests) {
            await ticks(delays.next().value);
            const error = failure;
            failure = undefined;
            if (error) throw error;
            expect(new Set(requests.map((one) => one.user)).size).toBe(requests.length);
            const views = requests.map(inboxes.changesSince);
            await ticks(delays.next().value);
            return views;
          },
          readRevs: inboxes.revs,
          compareMs: 60_000,
          jitterMs: 0,
          random: () => 0,
          log: { info() {}, warn() {} },
        });
        const shows = (device: Device) =>
          device.heard.length > 0 &&
          JSON.stringify(device.known) === JSON.stringify(inboxes.list(owners.get(device) as string));
        for (const one of steps) {
          const device = devices[one.nth % (devices.length || 1)];
          switch (one.what) {
            case "add":
            case "read":
            case "unread":
            case "archive":
            case "remove":
            case "see":
              if (one.what === "add") inboxes.add(one.user);
              else if (one.what === "see") inboxes.see(one.user);
              else if (one.what === "remove") inboxes.remove(one.user, one.nth);
              else inboxes.change(one.user, one.nth, one.what);
              past.set(one.user, [...(past.get(one.user) ?? []), inboxes.list(one.user)]);
              if (one.hint === "as it is") hub.touch([one.user]);
              // An ObjectId's digits may be written so.
              if (one.hint === "in capitals") hub.touch([one.user.replace(/^0.*/, (id) => id.toUpperCase())]);
              break;
            case "subscribe": {
              const seen = past.get(one.user) ?? [];
              const known =
                one.knows === "past"
                  ? seen[one.nth % (seen.length || 1)]
                  : one.knows === "from now"
                    ? nothingYet
                    : one.knows === "too much"
                      ? { rev: 1_000, unseen: 0, items: [] }
                      : undefined;
              const created: Device = new Device(hub, one.user, {
                known: known ?? { rev: 0, unseen: 0, items: [] },
                list: () => inboxes.list(one.user),
                bytes: messageBytes,
              });
              devices.push(created);
              owners.set(created, one.user);
              break;
            }
            case "stall":
              if (device) device.stalled = true;
              break;
            case "drain":
              device?.drain();
              break;
            case "close":
              device?.subscription.close();
              devices.splice(0, devices.length, ...devices.filter((other) => other !== device));
              break;
            case "let it run":
              await ticks(one.nth);
              break;
            case "MongoDB away":
              failure = new BelfryError("database_unavailable");
              break;
            case "refused":
              failure = new Error("no such operator");
              break;
            default:
              hub.touchAll();
          }
        }
        hub.touchAll();
        await eventually(
          () => {
            for (const device of devices) device.drain();
            return devices.every(shows);
          },
          "every device shows the inbox",
          5,
        );
        for (const { heard, most } of devices) {
          expect(heard[0]).toBe("state");
          expect(heard.lastIndexOf("state")).toBe(0);
          expect(heard.filter((name) => name.startsWith("a "))).toEqual([]);
          expect(most).toBeLessThanOrEqual(messageBytes);
        }
        expect(hub.size.connections).toBe(devices.length);
        hub.close();
        expect(hub.size).toEqual({ users: 0, connections: 0 });
      },
    ),
    { numRuns: 300, interruptAfterTimeLimit: 60_000 },
  );
});

async function ticks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}
