import type { Tab } from "./chromium.ts";

/** One turn of the display while a page is scrolled. */
export interface Frame {
  /** Seconds of the trace's clock. */
  at: number;
  /** `shown`: something new; `dropped`: something new was due and did not come; `still`: there was nothing new. */
  state: "shown" | "dropped" | "still";
}

export interface Mark {
  name: string;
  at: number;
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  cat: string;
  /** Microseconds. */
  ts: number;
  args: { frame_reporter?: FrameReport };
}

/** What the compositor tells of a frame; of one frame it may tell twice, of its own part and that of the page's thread. */
interface FrameReport {
  state: string;
  frame_sequence: number;
  affects_smoothness: boolean;
}

const categories = ["disabled-by-default-devtools.timeline.frame", "blink.user_timing"];

/** Traces what the page shows, until the returned function is called. */
export async function traceFrames({
  cdp,
  page,
}: Tab): Promise<() => Promise<{ frames: Frame[]; marks: Mark[] }>> {
  await cdp.send("Tracing.start", {
    transferMode: "ReturnAsStream",
    traceConfig: { includedCategories: categories, excludedCategories: ["*"] },
  });
  await page.evaluate(`performance.mark("begin")`);
  return async () => {
    await page.evaluate(`performance.mark("end")`);
    const complete = new Promise<{ stream?: string }>((resolve) =>
      cdp.once("Tracing.tracingComplete", resolve),
    );
    await cdp.send("Tracing.end");
    const { stream } = await complete;
    return read(JSON.parse(await textOf(stream as string)).traceEvents);
  };

  async function textOf(handle: string): Promise<string> {
    let text = "";
    for (;;) {
      const { data, eof } = await cdp.send("IO.read", { handle, size: 1 << 20 });
      text += data;
      if (eof) return text;
    }
  }
}

function read(events: TraceEvent[]): { frames: Frame[]; marks: Mark[] } {
  const timings = events.filter(({ cat }) => cat.includes("blink.user_timing"));
  const marks = timings.map(({ name, ts }) => ({ name, at: ts / 1e6 })).toSorted((a, b) => a.at - b.at);
  // Other pages, and the browser's own, are other processes.
  const pid = timings.find(({ name }) => name === "begin")?.pid;
  const [from = 0, to = 0] = ["begin", "end"].map((which) => marks.find(({ name }) => name === which)?.at);
  const frames = new Map<number, Frame>();
  for (const { ts, ph, pid: process, args } of events) {
    const report = args.frame_reporter;
    const at = ts / 1e6;
    if (!report || ph !== "b" || process !== pid || at < from || at > to) continue;
    const before = frames.get(report.frame_sequence);
    const state = stateOf(report);
    if (!before || rank[state] > rank[before.state]) frames.set(report.frame_sequence, { at, state });
  }
  return { frames: [...frames.values()].toSorted((a, b) => a.at - b.at), marks };
}

const rank = { still: 0, dropped: 1, shown: 2 };

function stateOf({ state, affects_smoothness }: FrameReport): Frame["state"] {
  if (state.startsWith("STATE_PRESENTED")) return "shown";
  return state === "STATE_DROPPED" && affects_smoothness ? "dropped" : "still";
}

/** How long each frame that was shown was waited for, in turns of the display. */
export function waits(frames: Frame[]): number[] {
  let turns = 1;
  return frames.flatMap(({ state }) => {
    const waited = turns;
    turns = state === "dropped" ? turns + 1 : 1;
    return state === "shown" ? [waited] : [];
  });
}
