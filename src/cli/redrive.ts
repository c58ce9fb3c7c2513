import { createRedrive, type Redrive, type RedriveRequest } from "../core/redrive.ts";
import type { DeliveryFilter } from "../model/delivery-record.ts";
import type { Given } from "./arguments.ts";
import { agreed } from "./confirm.ts";
import { filterOf, filterOptions } from "./deliveries.ts";
import { withSession } from "./session.ts";
import { progressBar, terminal, watched } from "./terminal.ts";

/** Deliveries per call: few enough that the progress bar moves. */
const step = 500;

export const redrive = {
  usage: "redrive [filters]",
  description: "Send many deliveries again, under the same ids; failed ones by default",
  options: {
    ...filterOptions,
    "dry-run": { description: "show what would be sent, and change nothing" },
    yes: { description: "do not ask for confirmation" },
    json: { description: "print the summary as JSON" },
  },
  examples: [
    "belfry redrive --reason exhausted --from -2h --dry-run",
    "belfry redrive --reason exhausted --from -2h",
    "belfry redrive --status uncertain --provider smtp --yes",
  ],
  async run(given: Given): Promise<void> {
    const filter = filterOf(given);
    const asJson = given.flags.has("json");
    await withSession(async ({ store }) => {
      const redriveSome = createRedrive(store);
      const counting = all(redriveSome, { filter, dryRun: true }, () => {});
      const preview = await watched("counting", counting);
      if (given.flags.has("dry-run")) {
        const { redriven: would_send, ...rest } = preview;
        return terminal.print(
          asJson
            ? JSON.stringify({ dry_run: true, would_send, ...rest })
            : told(preview, "would be sent again"),
        );
      }
      if (!asJson) terminal.note(told(preview, "can be sent again"));
      if (preview.redriven === 0 || !(await agreed(given, `Send ${preview.redriven} again?`))) {
        if (!asJson) return terminal.print("Nothing was changed.");
        const { already_sent } = preview;
        return terminal.print(JSON.stringify({ ...preview, redriven: 0, already_sent, dry_run: false }));
      }
      const bar = progressBar("redriving", preview.redriven);
      const done = await all(redriveSome, { filter, dryRun: false, most: step }, (so) =>
        bar.show(so.redriven),
      );
      bar.end();
      terminal.print(
        asJson ? JSON.stringify({ dry_run: false, ...done }) : told(done, "are pending again and due now"),
      );
    });
  },
};

/** Repeats the call until there is no next page, and adds the counts. */
async function all(
  redriveSome: (request: RedriveRequest) => Promise<Redrive>,
  request: RedriveRequest & { filter: DeliveryFilter },
  onStep: (so: Redrive) => void,
): Promise<Redrive> {
  let sum: Redrive = { redriven: 0, suppressed: 0, no_address: 0, expired: 0, changed: 0 };
  for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
    const cursor = next === undefined ? {} : { cursor: { text: next, pointer: "cursor" } };
    const part = await redriveSome({ ...request, ...cursor });
    sum = {
      redriven: sum.redriven + part.redriven,
      suppressed: sum.suppressed + part.suppressed,
      no_address: sum.no_address + part.no_address,
      expired: sum.expired + part.expired,
      changed: sum.changed + part.changed,
      already_sent: (sum.already_sent ?? 0) + (part.already_sent ?? 0),
    };
    next = part.next;
    onStep(sum);
  }
  return sum;
}

function told(counts: Redrive, what: string): string {
  const lines: Array<[number, string]> = [
    [counts.redriven, what],
    [counts.suppressed, "left alone: their address is suppressed (`belfry suppressions`)"],
    [counts.no_address, "left alone: the user has no address"],
    [counts.expired, "left alone: they have expired"],
    [counts.changed, "left alone: somebody else has changed them meanwhile"],
    [counts.already_sent ?? 0, "left alone: they have been sent already"],
  ];
  return lines
    .filter(([count], index) => index === 0 || count > 0)
    .map(([count, text]) => `${String(count).padStart(8)}  ${text}`)
    .join("\n");
}
