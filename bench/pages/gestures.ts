import { setTimeout as sleep } from "node:timers/promises";
import type { Tab } from "./chromium.ts";

interface Spot {
  x: number;
  y: number;
  height: number;
}

/** Where the box is that `box` tells of, an expression for the page: its middle. */
async function spotOf({ page }: Tab, box: string): Promise<Spot> {
  return page.evaluate<Spot>(`(() => {
    const { x, y, width, height } = ${box}.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2, height };
  })()`);
}

/** A mouse's wheel that is turned evenly; up with a negative distance. */
export async function wheel(tab: Tab, box: string, pixels: number, perSecond: number): Promise<void> {
  const { x, y } = await spotOf(tab, box);
  await tab.cdp.send("Input.synthesizeScrollGesture", {
    x,
    y,
    yDistance: -pixels,
    speed: perSecond,
    gestureSourceType: "mouse",
    preventFling: true,
  });
}

const stretchSeconds = 2;
const mostStretches = 120;

/** Down and down until there is nothing more: `whole` tells that all has come. */
export async function toEnd(tab: Tab, box: string, perSecond: number, whole = "true"): Promise<void> {
  for (let stretch = 0; stretch < mostStretches; stretch++) {
    const isAtEnd = `${box}.scrollTop + ${box}.clientHeight >= ${box}.scrollHeight - 2`;
    if (await tab.page.evaluate(`${isAtEnd} && ${whole}`)) return;
    await wheel(tab, box, perSecond * stretchSeconds, perSecond);
  }
  throw new Error(`the end of ${box} was not reached`);
}

const turnMs = 16;
const turnsOfFlick = 8;
const runOutMs = 700;

/** A thumb that flicks the list on, again and again, and lets it run; or back, `isUp`. */
export async function flick(tab: Tab, box: string, seconds: number, isUp = false): Promise<void> {
  const { x, y, height } = await spotOf(tab, box);
  const way = height * (isUp ? -0.35 : 0.35);
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    // A finger does not wait until the page has seen what it did.
    const sent = [touch("touchStart", y + way)];
    for (let turn = 1; turn <= turnsOfFlick; turn++) {
      await sleep(turnMs);
      sent.push(touch("touchMove", y + way * (1 - (2 * turn) / turnsOfFlick)));
    }
    sent.push(touch("touchEnd"));
    await Promise.all(sent);
    await sleep(runOutMs);
  }

  async function touch(type: "touchStart" | "touchMove" | "touchEnd", at?: number): Promise<void> {
    const touchPoints = at === undefined ? [] : [{ x, y: at }];
    await tab.cdp.send("Input.dispatchTouchEvent", { type, touchPoints });
  }
}
